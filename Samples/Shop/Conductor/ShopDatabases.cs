using System.Data.Common;
using System.Globalization;
using Shop.Hosting;

namespace Shop.Conductor;

/// <summary>Makes the services' databases, looks into them from outside, without the services' own code, and removes them.</summary>
internal sealed class ShopDatabases(RunPlan plan) : IAsyncDisposable
{
    private readonly IReadOnlyDictionary<string, DbDataSource> _databases = plan.Services.ToDictionary(s => s.Service, s => s.CreateDataSource());
    private readonly List<string> _made = [];

    /// <summary>Makes the databases of a server; SQLite's files come by themselves.</summary>
    public async Task CreateAsync(CancellationToken cancellationToken)
    {
        foreach (var name in plan.Databases)
        {
            cancellationToken.ThrowIfCancellationRequested();
            // Not interrupted: half-made, nobody would drop it.
            await DatabaseServer.CreateAsync(plan.Options.Database, plan.Options.ConnectionString!, name);
            _made.Add(name);
        }
    }

    public async Task<ShopState> ReadAsync(CancellationToken cancellationToken)
    {
        var orders = await NumbersAsync("orders", 
            """
            SELECT count(*), sum(CASE WHEN is_confirmed = @yes THEN 1 ELSE 0 END), sum(CASE WHEN is_rejected = @yes THEN 1 ELSE 0 END), sum(CASE WHEN is_confirmed = @yes AND is_rejected = @yes THEN 1 ELSE 0 END), sum(cents),
                sum(CASE WHEN is_confirmed = @yes THEN quantity ELSE 0 END), sum(CASE WHEN is_confirmed = @yes THEN cents ELSE 0 END),
                (SELECT count(*) FROM sagas WHERE status = 'completed'), (SELECT count(*) FROM sagas WHERE status = 'compensated') FROM orders
            """, cancellationToken);
        var stock = await NumbersAsync("stock", "SELECT count(*), (SELECT sum(free) FROM items), (SELECT sum(reserved) FROM items), (SELECT sum(sold) FROM items) FROM reservations", cancellationToken);
        var customers = await NumbersAsync("customers", "SELECT sum(orders), sum(cents), sum(out_of_order), (SELECT count(*) FROM payments), (SELECT sum(cents) FROM payments) FROM accounts", cancellationToken);
        return new ShopState
        {
            Orders = new OrdersState(orders[0], orders[1], orders[2], orders[3], orders[4], orders[5], orders[6], orders[7], orders[8]),
            Stock = new StockState(Reservations: stock[0], Free: stock[1], Reserved: stock[2], Sold: stock[3]),
            Customers = new CustomersState(Orders: customers[0], Cents: customers[1], OutOfOrder: customers[2], Payments: customers[3], PaidCents: customers[4]),
            Messaging = new Dictionary<string, MessagingState>
            {
                ["orders"] = await MessagingOfAsync("orders", cancellationToken),
                ["stock"] = await MessagingOfAsync("stock", cancellationToken),
                ["customers"] = await MessagingOfAsync("customers", cancellationToken),
            },
        };
    }

    /// <summary>Drops the databases of a server; files go with the run's folder.</summary>
    public async Task DeleteAsync()
    {
        ServiceDatabase.ClosePools();
        foreach (var name in _made)
            await DatabaseServer.DropAsync(plan.Options.Database, plan.Options.ConnectionString!, name);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var database in _databases.Values)
            await database.DisposeAsync();
    }

    private async Task<MessagingState> MessagingOfAsync(string service, CancellationToken cancellationToken)
    {
        var rows = await NumbersAsync(service, $"SELECT (SELECT count(*) FROM inbox_messages WHERE consumer = '{service}' AND operation = ''), (SELECT count(*) FROM outbox_messages), (SELECT count(*) FROM dead_letters)", cancellationToken);
        return new MessagingState(Applied: rows[0], Backlog: rows[1], DeadLetters: rows[2]);
    }

    /// <summary>One row of numbers, in SQL that every engine speaks. The sum of nothing is 0.</summary>
    private async Task<long[]> NumbersAsync(string service, string sql, CancellationToken cancellationToken)
    {
        await using var connection = await _databases[service].OpenConnectionAsync(cancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        if (sql.Contains("@yes", StringComparison.Ordinal))
        {
            // A parameter, because the engines do not write it in the same way.
            var yes = command.CreateParameter();
            (yes.ParameterName, yes.Value) = ("yes", true);
            command.Parameters.Add(yes);
        }
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return [.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? 0 : Convert.ToInt64(reader.GetValue(i), CultureInfo.InvariantCulture))];
    }
}
