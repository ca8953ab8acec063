using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Outbox.Receipts;
using Outbox.Sql;

namespace Outbox;

/// <summary>One outbox of the service: its settings and what is shared between those who write to it and those who read it.</summary>
internal sealed class OutboxRegistration(OutboxOptions options, Type? contextType, Func<IServiceProvider, DbDataSource> dataSource)
{
    private readonly Lock _lock = new();
    private DbDataSource? _dataSource;
    private OutboxInterceptor? _interceptor;
    private ReceiptWatch? _receipts;

    public OutboxOptions Options => options;

    public string Source => options.Source;

    public Type? ContextType => contextType;

    public OutboxMessageFactory Messages { get; } = new(options);

    /// <summary>Whether a relay of it runs in this process.</summary>
    public bool HasRelay { get; set; }

    /// <summary>How many partitions the outbox has.</summary>
    public PartitionCount Partitions { get; } = new();

    /// <summary>Raised when rows were, or may soon be, committed in this process.</summary>
    public OutboxSignal Signal { get; } = new();

    /// <summary>The consumers that publishers are told of.</summary>
    public List<AnnouncedConsumer> Announced { get; } = [];

    /// <summary>Woken when receipts were committed in this process.</summary>
    public OutboxSignal ReceiptSignal { get; } = new();

    /// <summary>Places the rows of this outbox's contexts, and raises <see cref="Signal"/>.</summary>
    public OutboxInterceptor Interceptor
    {
        get
        {
            lock (_lock)
                return _interceptor ??= new OutboxInterceptor(this);
        }
    }

    /// <summary>The outbox of a context's class. A context's own goes before that of a class it derives from.</summary>
    public static OutboxRegistration? Of(Type contextType, IEnumerable<OutboxRegistration> registrations)
    {
        var all = registrations.ToList();
        return all.Find(r => r.ContextType == contextType) ?? all.FindLast(r => r.ContextType is { } type && type.IsAssignableFrom(contextType));
    }

    public DbDataSource DataSource(IServiceProvider services)
    {
        lock (_lock)
            return _dataSource ??= dataSource(services);
    }

    /// <summary>Who waits for receipts.</summary>
    public ReceiptWatch Receipts(IServiceProvider services)
    {
        lock (_lock)
            return _receipts ??= new ReceiptWatch(this, new ReceiptStore(this, services), services.GetService<TimeProvider>() ?? TimeProvider.System);
    }

    /// <summary>How many partitions there are, for a context that writes now.</summary>
    public async ValueTask<int> GetPartitionsAsync(DbContext context, CancellationToken cancellationToken)
    {
        // Counted by Entity Framework, so it stays open if it was, and nothing happens if the number is known.
        var opens = Partitions.Current is null;
        if (opens)
            await context.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Partitions.GetAsync(DataSource(ServicesOf(context)), context.Database.GetDbConnection(), context.Database.CurrentTransaction?.GetDbTransaction(), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (opens)
                await context.Database.CloseConnectionAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc cref="GetPartitionsAsync"/>
    public int GetPartitions(DbContext context)
    {
        var opens = Partitions.Current is null;
        if (opens)
            context.Database.OpenConnection();
        try
        {
            return Partitions.Get(DataSource(ServicesOf(context)), context.Database.GetDbConnection(), context.Database.CurrentTransaction?.GetDbTransaction());
        }
        finally
        {
            if (opens)
                context.Database.CloseConnection();
        }
    }

    /// <summary>Creates the database and its tables where they are missing, for tests: a context's own way, or by the outbox's script.</summary>
    public async Task EnsureCreatedAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (contextType is not null)
        {
            var scope = services.CreateAsyncScope();
            await using var _ = scope.ConfigureAwait(false);
            await ((DbContext)scope.ServiceProvider.GetRequiredService(contextType)).Database.EnsureCreatedAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        var connection = await DataSource(services).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = connection.ConfigureAwait(false);
        await OutboxSchema.CreateAsync(connection, $"Outbox '{Source}'", cancellationToken).ConfigureAwait(false);
    }

    private static IServiceProvider ServicesOf(DbContext context) => context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()!.ApplicationServiceProvider!;

    /// <summary>The engine, found by asking the driver for a connection; it is not opened.</summary>
    public SqlDialect Dialect(IServiceProvider services)
    {
        using var connection = DataSource(services).CreateConnection();
        return SqlDialect.Of(connection);
    }
}
