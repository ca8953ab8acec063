using System.Data.Common;

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
        var row = outbox.Messages.Create(message, new MessageOptions { PartitionKey = key, OwnHeaders = call is null ? null : SagaHeaders.Of(call) });
        if (row.PartitionKey is not null)
            row.Partition = Messages.Partitioner.PartitionOf(row.PartitionKey, await outbox.Partitions.GetAsync(outbox.DataSource(services), transaction.Connection!, transaction, cancellationToken).ConfigureAwait(false));
        await InsertAsync(transaction, row, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells a saga something.</summary>
    public Task TellAsync(DbTransaction transaction, string saga, SagaMessage message, TimeSpan delay, CancellationToken cancellationToken) => InsertAsync(transaction, RowOf(saga, message), delay, cancellationToken);

    /// <summary>What tells a saga something, as a row of the outbox.</summary>
    public static OutboxMessage RowOf(string saga, SagaMessage message) => new()
    {
        MessageId = Guid.CreateVersion7(),
        Type = SagaMessage.TypeFor(saga),
        Headers = OutboxMessageFactory.TraceHeaders(),
        ContentType = SagaMessage.Json.ContentType,
        Body = SagaMessage.Json.Serialize(message),
    };

    private async Task InsertAsync(DbTransaction transaction, OutboxMessage row, TimeSpan delay, CancellationToken cancellationToken)
    {
        await OutboxRows.InsertAsync(transaction, row, delay, cancellationToken).ConfigureAwait(false);
        outbox.Signal.RaiseSoon();
    }
}
