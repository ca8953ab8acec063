using Outbox.Messages;

namespace Transfer.Sagas;

/// <summary>Somebody wants money to go from the ledger to the wallet.</summary>
[MessageType("transfers.transfer-wanted.v1")]
internal sealed record TransferWanted(Guid TransferId, long Amount);

/// <summary>Asks the ledger to take money out.</summary>
[MessageType("ledger.withdraw.v1")]
internal sealed record Withdraw(Guid TransferId, long Amount);

/// <summary>Asks the ledger to take it back.</summary>
[MessageType("ledger.give-back.v1")]
internal sealed record GiveBack(Guid TransferId, long Amount);

/// <summary>Asks the wallet to put money in.</summary>
[MessageType("wallet.deposit.v1")]
internal sealed record Deposit(Guid TransferId, long Amount);

/// <summary>Said when the money has arrived.</summary>
[MessageType("transfers.transfer-completed.v1")]
internal sealed record TransferCompleted(Guid TransferId);

/// <summary>Said when the money is where it was.</summary>
[MessageType("transfers.transfer-refused.v1")]
internal sealed record TransferRefused(Guid TransferId, string Reason);
