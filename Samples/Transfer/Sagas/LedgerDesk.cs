using Dapper;
using Outbox.Consumers;

namespace Transfer.Sagas;

/// <summary>The ledger's part. It looks for no copies: the inbox lets each call take effect once, and what is given back was withdrawn.</summary>
internal sealed class LedgerDesk : IMessageHandler<Withdraw>, IMessageHandler<GiveBack>
{
    public async Task HandleAsync(Withdraw message, MessageContext context, CancellationToken cancellationToken)
    {
        var taken = await context.Transaction.Connection!.ExecuteAsync("UPDATE accounts SET balance = balance - @Amount WHERE id = 1 AND balance >= @Amount", message, context.Transaction);
        if (taken == 0)
            await context.RefuseAsync($"the ledger has less than {message.Amount}", cancellationToken);
    }   // the inbox row, the money and the answer to the saga are committed together when the handler returns

    public Task HandleAsync(GiveBack message, MessageContext context, CancellationToken cancellationToken) =>
        context.Transaction.Connection!.ExecuteAsync("UPDATE accounts SET balance = balance + @Amount WHERE id = 1", message, context.Transaction);
}
