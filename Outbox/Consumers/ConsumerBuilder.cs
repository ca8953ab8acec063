using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Outbox.Consumers;

/// <summary>Configures one consumer: its handlers and how it works through its queue.</summary>
public sealed class ConsumerBuilder
{
    private readonly IServiceCollection _services;
    private readonly OutboxRegistration _outbox;
    private readonly Dictionary<string, MessageHandlerInvoker> _handlers = new(StringComparer.Ordinal);

    internal ConsumerBuilder(string name, IServiceCollection services, OutboxRegistration outbox)
    {
        (_services, _outbox) = (services, outbox);
        Options.Name = Options.Queue = name;
        Options.Exchange = outbox.Options.Exchange;
    }

    /// <summary>The consumer's settings.</summary>
    public ConsumerOptions Options { get; } = new();

    /// <summary>Handles messages of <typeparamref name="TMessage"/> by <typeparamref name="THandler"/>, made anew for each attempt.</summary>
    /// <exception cref="OutboxConfigurationException">The class has no message type, or already has a handler here.</exception>
    public ConsumerBuilder Handle<TMessage, THandler>()
        where TMessage : notnull
        where THandler : class, IMessageHandler<TMessage>
    {
        _outbox.Options.MessageTypes.Add<TMessage>();
        var type = _outbox.Options.MessageTypes.NameOf(typeof(TMessage));
        if (!_handlers.TryAdd(type, MessageHandlerInvoker.For<TMessage, THandler>()))
            throw new OutboxConfigurationException($"Consumer '{Options.Name}' has two handlers for '{type}'. Give the second one a consumer of its own.");
        _services.AddScoped<THandler>();
        return this;
    }

    /// <summary>Handles messages of one partition key in their order, and up to <paramref name="concurrency"/> keys at once. One process of the service is active, the others stand by.</summary>
    public ConsumerBuilder InOrderPerKey(int concurrency)
    {
        (Options.Concurrency, Options.KeepOrder) = (concurrency, true);
        return this;
    }

    /// <summary>Handles up to <paramref name="concurrency"/> messages at once in each process, in any order.</summary>
    public ConsumerBuilder InAnyOrder(int concurrency)
    {
        (Options.Concurrency, Options.KeepOrder) = (concurrency, false);
        return this;
    }

    internal void Build()
    {
        Options.Validate();
        if (_handlers.Count == 0)
            throw new OutboxConfigurationException($"Consumer '{Options.Name}' handles nothing. Add .Handle<TMessage, THandler>().");
        var (options, outbox, handlers) = (Options, _outbox, _handlers);
        if (_services.Any(s => s.ImplementationInstance is ConsumerOptions other && other.Name == options.Name))
            throw new OutboxConfigurationException($"Two consumers are named '{options.Name}'. Give one of them another name.");
        _services.AddSingleton(options);
        _services.AddSingleton<IHostedService>(provider => new ConsumerService(
            options,
            provider.TransportOf(outbox),
            new MessageProcessor(options, outbox, handlers, provider),
            provider.GetService<TimeProvider>() ?? TimeProvider.System,
            provider.GetRequiredService<ILogger<ConsumerService>>()));
    }
}
