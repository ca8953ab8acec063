using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Outbox.Health;
using Outbox.Receipts;
using Outbox.Sql;

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
        where THandler : class, IMessageHandler<TMessage> => Add<TMessage, THandler>(MessageHandlerInvoker.For<TMessage, THandler>());

    /// <summary>Handles messages of <typeparamref name="TMessage"/> by <typeparamref name="THandler"/>, as many at once as have arrived, up to <see cref="ConsumerOptions.BatchSize"/>.</summary>
    /// <exception cref="OutboxConfigurationException">The class has no message type, or already has a handler here.</exception>
    public ConsumerBuilder HandleBatch<TMessage, THandler>()
        where TMessage : notnull
        where THandler : class, IBatchHandler<TMessage>
    {
        Options.PreferBatches();
        return Add<TMessage, THandler>(MessageHandlerInvoker.ForBatch<TMessage, THandler>());
    }

    /// <summary>Commits the effects of up to <paramref name="size"/> messages in one transaction, with one insert into the inbox.</summary>
    /// <param name="size">Most messages of a batch. A batch is what has arrived: a lone message does not wait.</param>
    /// <param name="linger">How long a batch that is not full waits for more. Default: not at all.</param>
    /// <remarks>
    /// The messages are handled one after another, each by a handler of its own and saved before the next, but in one scope: services of it live as long as the batch, and what a context tracks is cleared in between.
    /// If one message fails, it alone is undone and deferred; the others commit.
    /// A batch holds the locks of all its messages until it commits. Where handlers write rows that other keys share, batches beside each other deadlock: use one at a time, or small ones.
    /// </remarks>
    public ConsumerBuilder Batch(int size, TimeSpan linger = default)
    {
        (Options.BatchSize, Options.Linger) = (size, linger);
        return this;
    }

    /// <summary>Handles messages of one partition key in their order, and up to <paramref name="concurrency"/> keys at once. One process of the service is active, the others stand by.</summary>
    public ConsumerBuilder InOrderPerKey(int concurrency)
    {
        (Options.Concurrency, Options.KeepOrder) = (concurrency, true);
        return this;
    }

    /// <summary>Spreads the messages over <paramref name="count"/> queues by partition key, which the processes of the service share: each handles the keys of its queues in their order.</summary>
    /// <param name="count">The number of queues, 2 to 64; best a power of two, and more than processes. See <see cref="ConsumerOptions.Partitions"/>.</param>
    public ConsumerBuilder Partitions(int count)
    {
        Options.Partitions = count;
        return this;
    }

    /// <summary>Handles up to <paramref name="concurrency"/> messages at once in each process, in any order.</summary>
    public ConsumerBuilder InAnyOrder(int concurrency)
    {
        (Options.Concurrency, Options.KeepOrder) = (concurrency, false);
        return this;
    }

    /// <summary>Tells messages that carry a key's own sequence by it: each takes effect once and after the one before it, and a gap shows. See <see cref="ConsumerOptions.ByKeySequence"/>.</summary>
    /// <param name="gapTimeout">How long a message waits for a number that has not come before it becomes a dead letter. Default: for ever.</param>
    /// <param name="startsAt">Where a key begins that the consumer has not met before. Default: at 1.</param>
    public ConsumerBuilder ByKeySequence(TimeSpan? gapTimeout = null, KeySequenceStart startsAt = KeySequenceStart.One)
    {
        (Options.ByKeySequence, Options.GapTimeout, Options.KeySequenceStart) = (true, gapTimeout, startsAt);
        return this;
    }

    /// <summary>Handles messages of a class that has no name of its own.</summary>
    internal ConsumerBuilder Handle<TMessage, THandler>(string type)
        where TMessage : notnull
        where THandler : class, IMessageHandler<TMessage>
    {
        _outbox.Options.MessageTypes.Add(typeof(TMessage), type);
        return Add<TMessage, THandler>(MessageHandlerInvoker.For<TMessage, THandler>(), isNamed: true);
    }

    /// <summary>Handles messages of a registered class by a function.</summary>
    internal ConsumerBuilder Handle(Type message, Func<IServiceProvider, object, MessageContext, CancellationToken, Task> handle)
    {
        Add(_outbox.Options.MessageTypes.NameOf(message), MessageHandlerInvoker.For(message, handle));
        return this;
    }

    private ConsumerBuilder Add<TMessage, THandler>(MessageHandlerInvoker invoker, bool isNamed = false)
        where TMessage : notnull
        where THandler : class
    {
        if (!isNamed)
            _outbox.Options.MessageTypes.Add<TMessage>();
        Add(_outbox.Options.MessageTypes.NameOf(typeof(TMessage)), invoker);
        _services.TryAddTransient<THandler>();
        return this;
    }

    private void Add(string type, MessageHandlerInvoker invoker)
    {
        if (!_handlers.TryAdd(type, invoker))
            throw new OutboxConfigurationException($"Consumer '{Options.Name}' has two handlers for '{type}'. Give the second one a consumer of its own.");
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
        if (options.Announces)
            outbox.Announced.Add(new AnnouncedConsumer(options, () => MessageProcessor.TypesOf(outbox.Options.MessageTypes, handlers)));
        _services.AddKeyedSingleton(options.Name, (provider, _) => new ConsumerState(options, provider.TransportOf(outbox), provider.GetService<TimeProvider>() ?? TimeProvider.System));
        _services.AddSingleton<IHealthReporter>(provider => provider.GetRequiredKeyedService<ConsumerState>(options.Name));
        _services.AddKeyedSingleton(options.Name, (provider, _) => new MessageProcessor(options, outbox, handlers, provider, new PreparedStatements(outbox.Dialect(provider))));
        _services.AddSingleton<IHostedService>(provider => new ConsumerService(
            options,
            provider.TransportOf(outbox),
            provider.GetRequiredKeyedService<MessageProcessor>(options.Name),
            provider.GetRequiredKeyedService<ConsumerState>(options.Name),
            provider.GetService<TimeProvider>() ?? TimeProvider.System,
            provider.GetRequiredService<ILogger<ConsumerService>>()));
    }
}
