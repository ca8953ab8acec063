using System.Data.Common;
using Outbox.Diagnostics;

namespace Outbox.Sagas;

/// <summary>Writes what sagas and their participants send, into the outbox of the transaction (G1).</summary>
internal sealed class SagaWriter(OutboxRegistration outbox, IServiceProvider services)
{
    /// <summary>A command, with its call in the headers. Without a partition key: what fails, or waits, must not hold up its own compensation, and the participant's inbox keeps the order.</summary>
    public Task SendAsync(DbTransaction transaction, SagaCommand command, CancellationToken cancellationToken) =>
        InsertAsync(transaction, outbox.Messages.Create(command.Message, new MessageOptions { MessageId = command.MessageId, OwnHeaders = SagaHeaders.Of(command.Call) }), command.Delay, cancellationToken);

    /// <summary>An event, or a reply to a call.</summary>
    public async Task PublishAsync(DbTransaction transaction, object message, string? key, SagaCall? call, CancellationToken cancellationToken)
    {
        var row = outbox.Messages.Create(message, new MessageOptions { PartitionKey = key, OwnHeaders = call is null ? null : SagaHeaders.Of(call with { IsReply = true }) });
        if (row.PartitionKey is not null)
            row.Partition = Messages.Partitioner.PartitionOf(row.PartitionKey, await outbox.Partitions.GetAsync(outbox.DataSource(services), transaction.Connection!, transaction, cancellationToken).ConfigureAwait(false));
        await InsertAsync(transaction, row, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells a saga something.</summary>
    public Task TellAsync(DbTransaction transaction, string saga, SagaMessage message, TimeSpan delay, CancellationToken cancellationToken) => InsertAsync(transaction, RowOf(saga, message, outbox.Options.Exchange), delay, cancellationToken);

    /// <summary>What tells a saga something, as a row of the outbox.</summary>
    /// <param name="saga">Which.</param>
    /// <param name="message">What.</param>
    /// <param name="exchange">Where it is published, for its span; null for a row without one.</param>
    public static OutboxMessage RowOf(string saga, SagaMessage message, string? exchange = null)
    {
        var (id, type) = (Guid.CreateVersion7(), SagaMessage.TypeFor(saga));
        using var activity = exchange is not null && OutboxTracing.Source.HasListeners() ? OutboxTracing.Create(exchange, type, id) : null;
        return new OutboxMessage
        {
            MessageId = id,
            Type = type,
            Headers = OutboxMessageFactory.TraceHeaders(),
            ContentType = SagaMessage.Json.ContentType,
            Body = SagaMessage.Json.Serialize(message),
        };
    }

    private async Task InsertAsync(DbTransaction transaction, OutboxMessage row, TimeSpan delay, CancellationToken cancellationToken)
    {
        await OutboxRows.InsertAsync(transaction, row, delay, cancellationToken).ConfigureAwait(false);
        outbox.Signal.RaiseSoon();
    }
}
