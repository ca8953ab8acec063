using Microsoft.Extensions.Logging;

namespace Outbox.Diagnostics;

/// <summary>Log messages of the library. Ids: 1000 consumers, 1100 leases, 1200 coordinators, 1300 drivers. Debug = one message, Information = a state changed, Warning = heals itself, Error = a person should look.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Consumer '{Consumer}' reads queue '{Queue}' ({Types} message types, concurrency {Concurrency}).")]
    public static partial void ConsumerStarted(ILogger logger, string consumer, string queue, int types, int concurrency);

    [LoggerMessage(1001, LogLevel.Debug, "Consumer '{Consumer}' applied {Message}.")]
    public static partial void Applied(ILogger logger, string consumer, string message);

    [LoggerMessage(1002, LogLevel.Debug, "Consumer '{Consumer}' had already applied {Message}; the copy changes nothing.")]
    public static partial void Duplicate(ILogger logger, string consumer, string message);

    [LoggerMessage(1003, LogLevel.Warning, "Consumer '{Consumer}' failed at {Message}, attempt {Attempt} of {MaxAttempts}; the next one follows in {Delay:0.0} s. {Error}")]
    public static partial void AttemptFailed(ILogger logger, string consumer, string message, int attempt, int maxAttempts, double delay, string error);

    [LoggerMessage(1004, LogLevel.Error, "Consumer '{Consumer}' set {Message} aside as a dead letter after {Attempts} attempts: {Reason}")]
    public static partial void DeadLettered(ILogger logger, string consumer, string message, int attempts, string reason);

    [LoggerMessage(1005, LogLevel.Warning, "Consumer '{Consumer}' waits: its database does not answer, or takes no writes. Nothing is lost and no attempt is counted. {Error}")]
    public static partial void DatabaseUnavailable(ILogger logger, string consumer, string error);

    [LoggerMessage(1006, LogLevel.Information, "Consumer '{Consumer}' goes on: its database answers again and takes writes.")]
    public static partial void DatabaseAvailable(ILogger logger, string consumer);

    [LoggerMessage(1007, LogLevel.Information, "Consumer '{Consumer}' forgot {Count} applied messages older than {Retention}.")]
    public static partial void Forgotten(ILogger logger, string consumer, long count, TimeSpan retention);

    [LoggerMessage(1008, LogLevel.Warning, "Consumer '{Consumer}' could not delete old inbox rows and tries again later. {Error}")]
    public static partial void ForgettingFailed(ILogger logger, string consumer, string error);

    [LoggerMessage(1012, LogLevel.Error, "{Error} Looking again in {Delay:0.0} s; until then the consumer does not read its queue.")]
    public static partial void SchemaUnfit(ILogger logger, string error, double delay);

    [LoggerMessage(1020, LogLevel.Debug, "Consumer '{Consumer}' could not say how it is; that is tried again. {Error}")]
    public static partial void StatusNotWritten(ILogger logger, string consumer, string error);

    [LoggerMessage(1009, LogLevel.Information, "Consumer '{Consumer}' stopped.")]
    public static partial void ConsumerStopped(ILogger logger, string consumer);

    [LoggerMessage(1010, LogLevel.Warning, "Consumer '{Consumer}' tries {Message} again: a database failed at it, but is well otherwise. No attempt is counted. {Error}")]
    public static partial void ShortOutage(ILogger logger, string consumer, string message, string error);

    [LoggerMessage(1011, LogLevel.Warning, "Consumer '{Consumer}' could not accept {Message} after its commit. The broker delivers it again, and the copy changes nothing.")]
    public static partial void NotAccepted(ILogger logger, Exception exception, string consumer, string message);

    [LoggerMessage(1030, LogLevel.Warning, "Publishers do not hear of the consumers of '{Source}' now, and are told again later. It matters only to those who wait for receipts. {Error}")]
    public static partial void NotAnnounced(ILogger logger, string source, string error);

    [LoggerMessage(1031, LogLevel.Warning, "Old receipts of '{Source}' could not be deleted; that is tried again later. {Error}")]
    public static partial void ReceiptsNotDeleted(ILogger logger, string source, string error);

    [LoggerMessage(1013, LogLevel.Warning, "Consumer '{Consumer}' handles {Count} messages one by one: a transaction for all of them failed. {Error}")]
    public static partial void BatchFailed(ILogger logger, string consumer, int count, string error);

    [LoggerMessage(1014, LogLevel.Debug, "Consumer '{Consumer}' lets {Message} wait behind an earlier message of its key.")]
    public static partial void Behind(ILogger logger, string consumer, string message);

    [LoggerMessage(1015, LogLevel.Debug, "Consumer '{Consumer}' passes over {Message}: it has no handler for its type.")]
    public static partial void Ignored(ILogger logger, string consumer, string message);

    [LoggerMessage(1016, LogLevel.Warning, "Consumer '{Consumer}' could not look for deferred messages and looks again in {Delay:0.0} s. {Error}")]
    public static partial void RetriesFailed(ILogger logger, string consumer, double delay, string error);

    [LoggerMessage(1017, LogLevel.Error, "{Error} Looking again in {Delay:0.0} s; until then the consumer does not read its queues.")]
    public static partial void PartitionsUnfit(ILogger logger, string error, double delay);

    [LoggerMessage(1018, LogLevel.Information, "Consumer '{Consumer}' reads queue '{Queue}'.")]
    public static partial void PartitionStarted(ILogger logger, string consumer, string queue);

    [LoggerMessage(1019, LogLevel.Information, "Consumer '{Consumer}' has given up queue '{Queue}'.")]
    public static partial void PartitionEnded(ILogger logger, string consumer, string queue);

    [LoggerMessage(1040, LogLevel.Error, "Saga '{Saga}' {Id} is parked at the {Operation} of step '{Step}': {Reason}. Look at it with 'broker sagas show', and then retry it or give it up.")]
    public static partial void SagaParked(ILogger logger, string saga, string id, string step, string operation, string reason);

    [LoggerMessage(1041, LogLevel.Debug, "Saga '{Saga}' {Id} is {Status}.")]
    public static partial void SagaEnded(ILogger logger, string saga, string id, string status);

    [LoggerMessage(1042, LogLevel.Debug, "Saga '{Saga}' {Id} passes over a '{Type}': {Why}.")]
    public static partial void SagaPassedOver(ILogger logger, string saga, string id, string type, string why);

    [LoggerMessage(1043, LogLevel.Warning, "Old sagas '{Saga}' of '{Source}' could not be deleted; that is tried again later. {Error}")]
    public static partial void SagasNotDeleted(ILogger logger, string saga, string source, string error);

    [LoggerMessage(1100, LogLevel.Warning, "The leases of '{Group}' could not be looked after; that is tried again in {Delay:0.0} s. What is held is worked on until its own deadline. {Error}")]
    public static partial void SharingFailed(ILogger logger, string group, double delay, string error);

    [LoggerMessage(1101, LogLevel.Warning, "Partition {Partition} of '{Group}' has failed and is given up for {Delay:0.0} s. {Error}")]
    public static partial void PartitionFailed(ILogger logger, string group, int partition, double delay, string error);

    [LoggerMessage(1200, LogLevel.Warning, "Coordinator '{Coordinator}' could not record that {Count} transactions are finished; recovery finds it out by their markers. {Error}")]
    public static partial void NotRecorded(ILogger logger, string coordinator, int count, string error);

    [LoggerMessage(1201, LogLevel.Warning, "Participant '{Participant}' has not finished its branch of transaction {Transaction}, which is decided: {Decision}. Recovery tries again until it has. {Error}")]
    public static partial void BranchLeft(ILogger logger, string participant, string transaction, string decision, string error);

    [LoggerMessage(1202, LogLevel.Warning, "Transaction {Transaction} is in doubt here: where its decision is kept did not answer. Recovery finishes it. {Error}")]
    public static partial void InDoubt(ILogger logger, string transaction, string error);

    [LoggerMessage(1203, LogLevel.Information, "Recovery of '{Coordinator}' has finished the branch of transaction {Transaction} in '{Participant}': {Decision}.")]
    public static partial void BranchRecovered(ILogger logger, string coordinator, string transaction, string participant, string decision);

    [LoggerMessage(1204, LogLevel.Warning, "Recovery of '{Coordinator}' could not look at '{Participant}' and looks again. What is prepared there waits. {Error}")]
    public static partial void RecoveryFailed(ILogger logger, string coordinator, string participant, string error);

    [LoggerMessage(1205, LogLevel.Error, "Transaction {Transaction} of '{Coordinator}' has a heuristic outcome: it was decided to {Decision}, but {Evidence}. Somebody has finished a branch by hand. 'broker in-doubt show {Transaction}' shows the evidence; mend the data of the participant that differs.")]
    public static partial void Heuristic(ILogger logger, string transaction, string coordinator, string decision, string evidence);

    [LoggerMessage(1206, LogLevel.Error, "Transaction {Transaction} of '{Coordinator}' was begun before the database of its decision was restored, so it is not known whether it was decided. It waits, with its locks, for 'broker in-doubt commit {Transaction}' or 'rollback'.")]
    public static partial void DecisionLost(ILogger logger, string transaction, string coordinator);

    [LoggerMessage(1207, LogLevel.Warning, "Recovery of '{Coordinator}' failed and is tried again. {Error}")]
    public static partial void SweepFailed(ILogger logger, string coordinator, string error);

    [LoggerMessage(1208, LogLevel.Warning, "Transaction {Transaction} is prepared in '{Participant}' by another coordinator of the name '{Coordinator}', whose decisions are in another database, so it is left alone. Give each service's coordinator a name of its own.")]
    public static partial void OfAnother(ILogger logger, string transaction, string coordinator, string participant);

    [LoggerMessage(1300, LogLevel.Error, "{What}: the connection pool of Microsoft.Data.Sqlite {Version} may lend one connection to two users at once, who then write into one transaction. Update the package to 10.0.13 or later, or add 'Pooling=False' to the connection string.")]
    public static partial void FaultySqlitePool(ILogger logger, string what, string version);
}
