using System.Data.Common;
using Outbox.Sql;

namespace Outbox;

/// <summary>One outbox of the service: its settings and what is shared between those who write to it and those who read it.</summary>
internal sealed class OutboxRegistration(OutboxOptions options, Type? contextType, Func<IServiceProvider, DbDataSource> dataSource)
{
    private readonly Lock _lock = new();
    private DbDataSource? _dataSource;
    private OutboxInterceptor? _interceptor;

    public OutboxOptions Options => options;

    public string Source => options.Source;

    public Type? ContextType => contextType;

    public OutboxMessageFactory Messages { get; } = new(options);

    /// <summary>Raised when rows were, or may soon be, committed in this process.</summary>
    public OutboxSignal Signal { get; } = new();

    /// <summary>Raises <see cref="Signal"/> for the contexts of this outbox.</summary>
    public OutboxInterceptor Interceptor
    {
        get
        {
            lock (_lock)
                return _interceptor ??= new OutboxInterceptor(Signal);
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

    /// <summary>The engine, found by asking the driver for a connection; it is not opened.</summary>
    public SqlDialect Dialect(IServiceProvider services)
    {
        using var connection = DataSource(services).CreateConnection();
        return SqlDialect.Of(connection);
    }
}
