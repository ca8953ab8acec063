using Outbox.TwoPhaseCommit;

namespace Transfer.TwoPhase;

/// <summary>Money goes from the ledger to the wallet, or stays where it is.</summary>
internal sealed class MoneyTransfer(TransactionCoordinator coordinator)
{
    public async Task<TransactionOutcome> MoveAsync(long amount, CancellationToken cancellationToken)
    {
        await using var transfer = await coordinator.BeginAsync(timeout: TwoPhaseCommand.LongestTransfer, cancellationToken);
        var ledger = await transfer.EnlistAsync("ledger", cancellationToken: cancellationToken);
        var wallet = await transfer.EnlistAsync("wallet", cancellationToken: cancellationToken);
        await ChangeAsync(ledger, -amount, cancellationToken);
        await ChangeAsync(wallet, amount, cancellationToken);
        return await transfer.CommitAsync(cancellationToken);
    }

    private static async Task ChangeAsync(EnlistedParticipant participant, long amount, CancellationToken cancellationToken)
    {
        await using var command = participant.CreateCommand("UPDATE accounts SET balance = balance + @amount WHERE id = 1");
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = ("amount", amount);
        command.Parameters.Add(parameter);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
