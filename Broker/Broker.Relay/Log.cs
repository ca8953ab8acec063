using Microsoft.Extensions.Logging;

namespace Broker.Relay;

/// <summary>Log messages of the relay. Ids: 3000 draining, 3100 publishing, 3200 the database.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "Source '{Source}' ({Engine}): draining partition {Partition} with fencing token {Token}.")]
    public static partial void Draining(ILogger logger, string source, int partition, string engine, long token);

    [LoggerMessage(3001, LogLevel.Information, "Source '{Source}': all {Partitions} partition(s) are drained by other relays; standing by.")]
    public static partial void Standby(ILogger logger, string source, int partitions);

    [LoggerMessage(3002, LogLevel.Information, "Source '{Source}': stopped draining partition {Partition}; what was sent is settled.")]
    public static partial void Stopped(ILogger logger, string source, int partition);

    [LoggerMessage(3003, LogLevel.Warning, "Source '{Source}': lost the lease of partition {Partition} (token {Token}) and let go. Another relay, or this one, takes it again.")]
    public static partial void LeaseLost(ILogger logger, string source, int partition, long token);

    [LoggerMessage(3004, LogLevel.Error, "Source '{Source}': rows lie in partition {Partition}, but it has {Partitions} partitions (numbered from 0), so nobody reads them. A writer counts with another number than the database says. Mend it; changing the number with 'broker schema --source {Source} --set-partitions', and back, moves the rows.")]
    public static partial void StrayPartition(ILogger logger, string source, int partition, int partitions);

    [LoggerMessage(3005, LogLevel.Information, "Source '{Source}': the outbox has {Partitions} partitions now, instead of {Old}; draining goes on.")]
    public static partial void Repartitioned(ILogger logger, string source, long old, long partitions);

    [LoggerMessage(3100, LogLevel.Error, "Source '{Source}': messages of type '{Type}' to exchange '{Exchange}' cannot be published: {Reason}. Their rows stay in the outbox and are tried again; other types flow.")]
    public static partial void TypeBlocked(ILogger logger, string source, string type, string exchange, string reason);

    [LoggerMessage(3101, LogLevel.Information, "Source '{Source}': messages of type '{Type}' flow again ({Waiting} rows wait).")]
    public static partial void TypeFlows(ILogger logger, string source, string type, int waiting);

    [LoggerMessage(3102, LogLevel.Error, "Source '{Source}': row {Sequence} of type '{Type}' cannot be published: {Reason}. It stays in the outbox with the later rows of its key, and is tried again in {Delay:0.0} s; other rows flow.")]
    public static partial void RowFailed(ILogger logger, string source, long sequence, string type, string reason, double delay);

    [LoggerMessage(3103, LogLevel.Warning, "Source '{Source}': cannot publish now and tries again. Nothing is lost and no attempt is counted. {Error}")]
    public static partial void ChannelFailed(ILogger logger, string source, string error);

    [LoggerMessage(3104, LogLevel.Warning, "Source '{Source}': the publishing channel was lost; unanswered messages are published again.")]
    public static partial void ChannelLost(ILogger logger, string source);

    [LoggerMessage(3105, LogLevel.Warning, "Source '{Source}': row {Sequence} of type '{Type}' had expired and was not published.")]
    public static partial void Expired(ILogger logger, string source, long sequence, string type);

    [LoggerMessage(3200, LogLevel.Warning, "Source '{Source}': the database does not answer; next try in {Delay:0.0} s. {Error}")]
    public static partial void DatabaseFailed(ILogger logger, string source, string error, double delay);
    [LoggerMessage(3106, LogLevel.Error, "Source '{Source}': row {Sequence} of type '{Type}' is set aside in dead_letters after {Attempts} attempts: {Reason}. {Consequence}")]
    public static partial void DeadLettered(ILogger logger, string source, long sequence, string type, int attempts, string reason, string consequence);

    [LoggerMessage(3107, LogLevel.Error, "Source '{Source}': {Count} rows of type '{Type}' are set aside in dead_letters: {Reason}. {Consequence}")]
    public static partial void ManyDeadLettered(ILogger logger, string source, int count, string type, string reason, string consequence);

    [LoggerMessage(3108, LogLevel.Warning, "Source '{Source}': {Count} keys wait for an operator because of their dead letters. List them with 'broker dead-letters list --source {Source}'.")]
    public static partial void KeysBlocked(ILogger logger, string source, int count);

    [LoggerMessage(3109, LogLevel.Information, "Source '{Source}': an operator has unblocked {Count} keys; their rows flow again.")]
    public static partial void KeysFlow(ILogger logger, string source, int count);


    [LoggerMessage(3201, LogLevel.Error, "{Error} Looking again in {Delay:0.0} s.")]
    public static partial void Misconfigured(ILogger logger, string error, double delay);

    [LoggerMessage(3203, LogLevel.Information, "Source '{Source}': removed {Count} archived rows older than {Retention}.")]
    public static partial void ArchiveEmptied(ILogger logger, string source, long count, TimeSpan retention);

    [LoggerMessage(3204, LogLevel.Warning, "Source '{Source}': old archived rows could not be removed; tried again in an hour. {Error}")]
    public static partial void RetentionFailed(ILogger logger, string source, string error);

    [LoggerMessage(3205, LogLevel.Information, "Source '{Source}': the database tells of commits; listening.")]
    public static partial void Listening(ILogger logger, string source);

    [LoggerMessage(3206, LogLevel.Warning, "Source '{Source}': the database cannot tell of commits now, and the relay looks by itself; listening is tried again. {Error}")]
    public static partial void NotificationsLost(ILogger logger, string source, string error);

    [LoggerMessage(3207, LogLevel.Warning, "Source '{Source}': Notify is on, but inserts into the outbox notify nobody, so the relay looks by itself. Type 'broker schema --source {Source} --set-notify on', or turn Notify off.")]
    public static partial void NoNotifications(ILogger logger, string source);

    [LoggerMessage(3208, LogLevel.Debug, "Source '{Source}': how much waits could not be read; metrics show the last numbers. {Error}")]
    public static partial void BacklogUnknown(ILogger logger, string source, string error);

    [LoggerMessage(3202, LogLevel.Error, "Source '{Source}', partition {Partition}: unexpected error; draining starts again in {Delay:0.0} s.")]
    public static partial void Unexpected(ILogger logger, Exception exception, string source, int partition, double delay);
}
