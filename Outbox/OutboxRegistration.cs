using System.Data.Common;
using Outbox.Sql;

namespace Outbox;

/// <summary>One outbox of the service: its settings and what is shared between those who write to it and those who read it.</summary>
internal sealed class OutboxRegistration(OutboxOptions options, Type? contextType, Func<IServiceProvider, DbDataSource> dataSource)
{
    private readonly Lock _lock = new();
    private DbDataSource? _dataSource;

    public OutboxOptions Options => options;

    public string Source => options.Source;

    public Type? ContextType => contextType;

    public OutboxMessageFactory Messages { get; } = new(options);

    /// <summary>Raised when rows were, or may soon be, committed in this process.</summary>
    public OutboxSignal Signal { get; } = new();

    public DbDataSource DataSource(IServiceProvider services)
    {
        lock (_lock)
            return _dataSource ??= dataSource(services);
    }

    /// <summary>The engine, found by asking the driver for a connection; it is not opened.</summary>
    public SqlDialect Dialect(IServiceProvider services)
    {
        using var connection = DataSource(services).CreateConnection();
        return SqlDialect.Of(connection);
    }
}
