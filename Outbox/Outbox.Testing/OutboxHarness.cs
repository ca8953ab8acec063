using Broker.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Outbox.Testing;

/// <summary>Services that use the outbox, inside a test: with their own databases, handlers and settings, but a transport in memory and relays in this process. Thread-safe.</summary>
public sealed class OutboxHarness : IAsyncDisposable
{
    private readonly IReadOnlyList<OutboxRegistration> _outboxes;
    private readonly HarnessTransport _transport;
    private readonly AppliedLog _applied;
    private readonly HarnessOptions _options;
    private readonly RestWatch _rest;
    private IHost? _host;

    internal OutboxHarness(IServiceProvider services, IEnumerable<OutboxRegistration> outboxes, HarnessTransport transport, AppliedLog applied, HarnessOptions options)
    {
        (Services, _outboxes, _transport, _applied, _options) = (services, [.. outboxes], transport, applied, options);
        _rest = new RestWatch(_outboxes, transport, services);
    }

    /// <summary>The container of what runs here.</summary>
    public IServiceProvider Services { get; }

    /// <summary>What can go wrong.</summary>
    public HarnessFaults Faults => _transport.Faults;

    /// <summary>Starts what a test registers, as a host would.</summary>
    /// <param name="configure">Registers contexts, outboxes, consumers and services; whatever transport they name is replaced.</param>
    /// <param name="configureHarness">Settings of the harness.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="OutboxConfigurationException">No outbox was registered, or something is configured wrongly.</exception>
    /// <remarks>For a test that has a host already, as ASP.NET Core's factory makes one, see <see cref="OutboxHarnessExtensions.AddOutboxHarness"/>.</remarks>
    public static async Task<OutboxHarness> StartAsync(Action<IServiceCollection> configure, Action<HarnessOptions>? configureHarness = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        configure(builder.Services);
        builder.Services.AddOutboxHarness(configureHarness);
        var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            host.Dispose();
            throw;
        }
        var harness = host.Services.GetRequiredService<OutboxHarness>();
        harness._host = host;
        return harness;
    }

    /// <summary>Completes when nothing moves any more: every committed event is published, every message is applied, or a dead letter, or waits behind one. What is scheduled for later is left alone.</summary>
    /// <param name="timeout">How long to wait. Default: <see cref="HarnessOptions.Timeout"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="NotDrainedException">Something still moves, or a consumer or relay has ended; the text says what is where.</exception>
    public Task DrainedAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) => _rest.WaitAsync(timeout ?? _options.Timeout, cancellationToken);

    /// <summary>Delivers every message once more that was published so far, to all consumers, and waits until that is over. What a handler does twice now, it will do twice some day.</summary>
    /// <exception cref="NotDrainedException">See <see cref="DrainedAsync"/>.</exception>
    public async Task RedeliverEverythingAsync(CancellationToken cancellationToken = default)
    {
        await _transport.PublishAgainAsync(cancellationToken).ConfigureAwait(false);
        await DrainedAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What was published, each message once, in the order in which it came first.</summary>
    public IReadOnlyList<HarnessMessage> Published() => [.. _transport.Messages.Select(m => new HarnessMessage(m.Envelope.MessageId, m.Envelope.Type, m.Envelope.Source, m.Envelope.PartitionKey, m.Envelope.Headers, Read(m)))];

    /// <summary>The published messages of a class.</summary>
    public IReadOnlyList<T> Published<T>()
        where T : notnull
    {
        // By the name, because a service may only publish them and has not registered the class.
        var named = _outboxes.Select(o => (o.Options.Serializer, Name: o.Options.MessageTypes.NameOf(typeof(T)))).First();
        return [.. _transport.Messages.Where(m => m.Envelope.Type == named.Name).Select(m => (T)named.Serializer.Deserialize(m.Envelope.Body, typeof(T)))];
    }

    /// <summary>What a consumer has applied, in the order of its commits.</summary>
    public IReadOnlyList<object> AppliedBy(string consumer) => [.. _applied.Of(consumer).Select(m => m.Message!)];

    /// <summary>What a consumer has applied of a class, in the order of its commits.</summary>
    public IReadOnlyList<T> AppliedBy<T>(string consumer)
        where T : notnull => [.. _applied.Of(consumer).Select(m => m.Message).OfType<T>()];

    /// <summary>What a consumer has applied, with ids, keys and headers.</summary>
    public IReadOnlyList<HarnessMessage> MessagesAppliedBy(string consumer) => _applied.Of(consumer);

    /// <summary>What could not be handled, or published, in the databases of all outboxes.</summary>
    public async Task<IReadOnlyList<HarnessDeadLetter>> DeadLettersAsync(CancellationToken cancellationToken = default)
    {
        const int most = 1_000;
        var letters = new List<HarnessDeadLetter>();
        foreach (var outbox in _outboxes)
        {
            var found = await DeskOf(outbox).ListAsync(new DeadLetterDesk.Filter(), after: 0, most, cancellationToken).ConfigureAwait(false);
            letters.AddRange(found.Select(l => new HarnessDeadLetter(outbox.Source, l.Consumer, l.MessageId, l.Type, l.Reason, l.Attempts, l.Blocks)));
        }
        return letters;
    }

    /// <summary>Puts all dead letters back, as an operator would who has mended the cause.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> RedriveDeadLettersAsync(CancellationToken cancellationToken = default)
    {
        var count = 0;
        foreach (var outbox in _outboxes)
            count += await DeskOf(outbox).RedriveAsync(new DeadLetterDesk.Filter(), reason: null, cancellationToken).ConfigureAwait(false);
        return count;
    }

    /// <summary>Stops what <see cref="StartAsync"/> has started. Of a host of the test's own it stops nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _host, null) is not { } host)
            return;
        await host.StopAsync(CancellationToken.None).ConfigureAwait(false);
        if (host is IAsyncDisposable disposable)
            await disposable.DisposeAsync().ConfigureAwait(false);
        else
            host.Dispose();
    }

    private DeadLetterDesk DeskOf(OutboxRegistration outbox) => new(outbox.DataSource(Services), outbox.Dialect(Services), nameof(OutboxHarness));

    private object? Read(HarnessTransport.Published message)
    {
        foreach (var outbox in _outboxes)
        {
            if (outbox.Options.MessageTypes.TryResolve(message.Envelope.Type, out var type))
                return outbox.Options.Serializer.Deserialize(message.Envelope.Body, type);
        }
        return null;
    }
}
