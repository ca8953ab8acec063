using Outbox.Sagas;

namespace Transfer.Sagas;

/// <summary>Money leaves the ledger, and then arrives in the wallet. If that refuses it, it goes back.</summary>
internal sealed class MoneySaga : Saga<TransferWanted>
{
    public const string Name = "transfers";

    public MoneySaga()
    {
        StartedBy<TransferWanted>(transfer => transfer.TransferId, transfer => transfer);
        Step("withdraw")
            .Send(transfer => new Withdraw(transfer.TransferId, transfer.Amount))
            .Compensate(transfer => new GiveBack(transfer.TransferId, transfer.Amount));
        Step("deposit")
            .Pivot()
            .Send(transfer => new Deposit(transfer.TransferId, transfer.Amount));
        WhenCompleted(transfer => new TransferCompleted(transfer.TransferId));
        WhenCompensated((transfer, reason) => new TransferRefused(transfer.TransferId, reason));
    }
}
