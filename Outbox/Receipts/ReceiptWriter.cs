using System.Data.Common;
using Outbox.Consumers;
using Outbox.Messages;

namespace Outbox.Receipts;

/// <summary>The consumer's side: writes receipts into the consumer's own outbox, in the transaction that decides about the message.</summary>
/// <remarks>So a receipt is never false and never lost: it exists if and only if that transaction committed (G1), and leaves only after the broker has confirmed it (G2). Messages without the header cost nothing.</remarks>
internal sealed class ReceiptWriter(OutboxRegistration outbox, string consumer, TimeProvider time)
{
    private const int MaxReason = 2_000;

    private static readonly JsonMessageSerializer Json = new();

    /// <summary>Whether somebody wants to know what becomes of a message.</summary>
    public static bool IsWanted(IncomingMessage incoming) => incoming.MessageId is not null && ReceiptMessage.IsSource(To(incoming));

    /// <summary>Tells, with the commit of <paramref name="transaction"/>, that the message was applied.</summary>
    public Task AppliedAsync(DbTransaction transaction, IncomingMessage incoming, CancellationToken cancellationToken) =>
        WriteAsync(transaction, incoming, ReceiptRow.Applied, reason: null, cancellationToken);

    /// <summary>Tells, with the commit of <paramref name="transaction"/>, that the message became a dead letter.</summary>
    public Task RefusedAsync(DbTransaction transaction, IncomingMessage incoming, string reason, CancellationToken cancellationToken) =>
        WriteAsync(transaction, incoming, ReceiptRow.Refused, IncomingMessage.Fit(reason, MaxReason), cancellationToken);

    private async Task WriteAsync(DbTransaction transaction, IncomingMessage incoming, string outcome, string? reason, CancellationToken cancellationToken)
    {
        if (!IsWanted(incoming))
            return;
        var row = new OutboxMessage
        {
            MessageId = Guid.CreateVersion7(),
            Type = ReceiptMessage.TypeFor(To(incoming)!),
            ContentType = Json.ContentType,
            Body = Json.Serialize(new ReceiptMessage(incoming.MessageId!.Value, consumer, outcome, reason, time.GetUtcNow())),
        };
        await OutboxRows.InsertAsync(transaction, row, cancellationToken).ConfigureAwait(false);
        outbox.Signal.RaiseSoon();
    }

    private static string? To(IncomingMessage incoming) => incoming.Delivery.Headers.GetValueOrDefault(MessageHeaders.ReceiptTo);
}
