using Dapper;
using Npgsql;
using Outbox;
using Outbox.Consumers;

namespace Transfer.Sagas;

/// <summary>Which transfers are wanted, and what became of each, in the ledger's database.</summary>
internal sealed class TransferBook(NpgsqlDataSource ledger) : IMessageHandler<TransferCompleted>, IMessageHandler<TransferRefused>
{
    public const string Table = "CREATE TABLE IF NOT EXISTS transfers (id uuid NOT NULL PRIMARY KEY, amount bigint NOT NULL, outcome varchar(20) NOT NULL, reason text)";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Writes a transfer down, and the message that begins its saga; or neither.</summary>
    public async Task WantAsync(IOutbox outbox, long amount, CancellationToken cancellationToken)
    {
        var transfer = new TransferWanted(Guid.CreateVersion7(), amount);
        await using var connection = await ledger.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("INSERT INTO transfers (id, amount, outcome) VALUES (@TransferId, @Amount, 'on its way')", transfer, transaction);
        await outbox.AddAsync(transaction, transfer, cancellationToken: cancellationToken);
        await outbox.CommitAsync(transaction, cancellationToken);
    }

    public Task HandleAsync(TransferCompleted message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.ExecuteAsync("UPDATE transfers SET outcome = 'completed' WHERE id = @TransferId", message, context.Transaction);

    public Task HandleAsync(TransferRefused message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.ExecuteAsync("UPDATE transfers SET outcome = 'refused', reason = @Reason WHERE id = @TransferId", message, context.Transaction);

    /// <summary>Waits until no transfer is on its way, those of killed processes included, or the time is over.</summary>
    public async Task WaitAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        // Other processes may move them on as well, so the table is asked.
        for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < patience && await CountOnTheirWayAsync(cancellationToken) > 0;)
            await Task.Delay(Interval, cancellationToken);
    }

    public async Task<long> CountOnTheirWayAsync(CancellationToken cancellationToken)
    {
        await using var connection = await ledger.OpenConnectionAsync(cancellationToken);
        return await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM transfers WHERE outcome = 'on its way'");
    }

    public async Task ShowAsync(CancellationToken cancellationToken)
    {
        await using var connection = await ledger.OpenConnectionAsync(cancellationToken);
        foreach (var (number, outcome, reason) in await connection.QueryAsync<(long, string, string?)>("SELECT count(*), outcome, reason FROM transfers GROUP BY outcome, reason ORDER BY outcome, reason"))
            Console.WriteLine(reason is null ? $"{number} {outcome}" : $"{number} {outcome}: {reason}");
    }
}
