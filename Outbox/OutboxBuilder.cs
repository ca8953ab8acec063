using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Consumers;
using Outbox.Receipts;
using Outbox.Sagas;
using Outbox.Transport;

namespace Outbox;

/// <summary>Configures one outbox: its transport, its consumers, and whether a relay runs in this process.</summary>
public sealed class OutboxBuilder
{
    internal OutboxBuilder(IServiceCollection services, OutboxRegistration registration)
    {
        Services = services;
        Registration = registration;
    }

    /// <summary>The service's container.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The settings of this outbox.</summary>
    public OutboxOptions Options => Registration.Options;

    internal OutboxRegistration Registration { get; }

    internal bool HasTransport { get; private set; }

    /// <summary>Sets the source's name; see <see cref="OutboxOptions.Source"/>.</summary>
    public OutboxBuilder Source(string source)
    {
        if (HasTransport)
            throw new OutboxConfigurationException($"Name the source '{source}' before its transport and consumers: they are registered under its name.");
        Options.Source = source;
        return this;
    }

    /// <summary>Registers the message classes of an assembly, so that their names are checked at start.</summary>
    public OutboxBuilder AddMessagesFrom(Assembly assembly)
    {
        Options.MessageTypes.AddFrom(assembly);
        return this;
    }

    /// <inheritdoc cref="Messages.MessageTypeRegistry.AddUpcast{TOld, TNew}"/>
    public OutboxBuilder Upcast<TOld, TNew>(Func<TOld, TNew> upcast)
        where TOld : notnull
        where TNew : notnull
    {
        Options.MessageTypes.AddUpcast(upcast);
        return this;
    }

    /// <inheritdoc cref="Messages.MessageTypeRegistry.AddAlias{T}"/>
    public OutboxBuilder Alias<T>(string name)
        where T : notnull
    {
        Options.MessageTypes.AddAlias<T>(name);
        return this;
    }

    /// <summary>Uses a transport of your own making, or one that several outboxes share.</summary>
    public OutboxBuilder UseTransport(Func<IServiceProvider, ITransport> transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        Options.Validate();
        if (HasTransport)
            throw new OutboxConfigurationException($"Outbox '{Options.Source}' has two transports. Choose one.");
        HasTransport = true;
        Services.AddKeyedSingleton(Options.Source, (services, _) => transport(services));
        return this;
    }

    /// <summary>Uses the transport inside this process, for tests and programs with nothing installed.</summary>
    /// <param name="transport">The instance to share. Default: one per container.</param>
    public OutboxBuilder UseInMemory(InMemoryTransport? transport = null)
    {
        if (transport is not null)
            return UseTransport(_ => transport);
        if (!Services.Any(s => s.ServiceType == typeof(InMemoryTransport)))
            Services.AddSingleton<InMemoryTransport>();
        return UseTransport(services => services.GetRequiredService<InMemoryTransport>());
    }

    /// <summary>Receives receipts: consumers tell this outbox when they have applied, or could not apply, the messages that are written with <see cref="MessageOptions.WantsReceipt"/>.</summary>
    /// <param name="configure">How long they are kept, and where they come from.</param>
    /// <remarks>Adds the queues <c>&lt;source&gt;.receipts</c> and <c>&lt;source&gt;.consumers</c>. Call it in each process of the service that writes such messages or waits for them.</remarks>
    public OutboxBuilder UseReceipts(Action<ReceiptOptions>? configure = null)
    {
        Options.Receipts ??= new ReceiptOptions();
        configure?.Invoke(Options.Receipts);
        return this;
    }

    /// <summary>Adds a saga: a consumer of its own that begins sagas, sends their commands and takes their answers.</summary>
    /// <typeparam name="TSaga">The saga's class; its constructor defines it.</typeparam>
    /// <param name="name">The saga's name, part of its rows and messages: renaming it leaves those that run to nobody.</param>
    /// <param name="configure">Its settings.</param>
    /// <exception cref="OutboxConfigurationException">The definition lacks something; the message says what to write.</exception>
    public OutboxBuilder AddSaga<TSaga>(string name, Action<SagaOptions>? configure = null)
        where TSaga : AnySaga, new()
    {
        SagaRegistration.Add<TSaga>(this, name, configure);
        return this;
    }

    /// <summary>Adds a consumer: a queue of its own and the handlers for its messages.</summary>
    /// <param name="name">The consumer's name, part of the inbox's key: renaming it makes every message new to it.</param>
    /// <param name="configure">Its handlers and settings.</param>
    public OutboxBuilder AddConsumer(string name, Action<ConsumerBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var consumer = new ConsumerBuilder(name, Services, Registration);
        configure(consumer);
        consumer.Build();
        return this;
    }
}
