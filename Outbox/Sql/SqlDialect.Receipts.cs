namespace Outbox.Sql;

/// <content>Who has applied a message, and who is expected to.</content>
public abstract partial class SqlDialect
{
    /// <summary>Records that a message's writer wants receipts, in the transaction that writes the message: @message_id, @type.</summary>
    internal string InsertReceiptRequest { get; } = "INSERT INTO receipt_requests (message_id, type) VALUES (@message_id, @type)";

    /// <summary>Records what a consumer did with a message: @message_id, @consumer, @outcome, @reason, @occurred_at. "applied" is the last word: what comes after it changes nothing.</summary>
    internal abstract string InsertReceipt { get; }

    /// <summary>Records that a consumer lives and handles a type: @name, @type.</summary>
    internal abstract string InsertConsumer { get; }

    /// <summary>The receipts of messages: @message_ids. Columns: message_id, consumer, outcome, reason, occurred_at.</summary>
    internal abstract string ReadReceipts { get; }

    /// <summary>The messages whose receipts are wanted: @message_ids. Columns: message_id, type.</summary>
    internal abstract string ReadReceiptRequests { get; }

    /// <summary>The consumers that were seen within @seconds. Columns: name, type.</summary>
    internal string ReadConsumers => $"SELECT name, type FROM consumers WHERE NOT {IsOlder("last_seen_at")}";

    /// <summary>Deletes up to @limit receipts that were received more than @seconds ago, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldReceipts { get; }

    /// <summary>Deletes up to @limit requests that are older than @seconds, from @from on. Columns: as <see cref="GradualDelete"/> says.</summary>
    internal abstract string DeleteOldReceiptRequests { get; }

    /// <summary>Deletes the consumers that were not seen within @seconds. They are few.</summary>
    internal string DeleteOldConsumers => $"DELETE FROM consumers WHERE {IsOlder("last_seen_at")}";

    /// <summary>Whether a time is more than @seconds ago.</summary>
    private protected abstract string IsOlder(string time);
}
