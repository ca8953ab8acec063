using Dapper;
using Outbox.Consumers;

namespace Transfer.Sagas;

/// <summary>The wallet's part.</summary>
internal sealed class WalletDesk : IMessageHandler<Deposit>
{
    /// <summary>What it holds at most, so that there is something to refuse.</summary>
    public const long Limit = 1_200;

    public async Task HandleAsync(Deposit message, MessageContext context, CancellationToken cancellationToken)
    {
        var put = await context.Transaction.Connection!.ExecuteAsync(
            "UPDATE accounts SET balance = balance + @Amount WHERE id = 1 AND balance + @Amount <= @Limit", new { message.Amount, Limit }, context.Transaction);
        if (put == 0)
            await context.RefuseAsync($"the wallet holds no more than {Limit}", cancellationToken);
    }
}
