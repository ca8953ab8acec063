using System.Data.Common;
using System.Runtime.CompilerServices;
using Outbox;
using Outbox.Sql;

namespace Broker.Relay;

/// <summary>Asks every source's database what it knows of a message. One that does not answer is named, and holds up nobody.</summary>
/// <remarks>
/// The outbox has no index by message id, and gets none: it is read in pages from its oldest row, up to <see cref="MostRows"/> in each partition. The archive, the inbox and the receipts are found by their keys.
/// </remarks>
internal sealed class MessageLifeReader(IReadOnlyList<MessageLifeReader.Database> databases, TimeProvider time)
{
    /// <summary>Rows of each partition, and of the scheduled rows, that are looked through.</summary>
    public const int MostRows = 200_000;

    private const int PageSize = 20_000;

    /// <summary>A source that has not answered by then counts as one that cannot be asked.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>One look-up at a time for each database in this process: a page that is reloaded again and again must not read a full outbox as often at once.</summary>
    private static readonly ConditionalWeakTable<DbDataSource, SemaphoreSlim> Turns = [];

    /// <summary>A source's database.</summary>
    internal sealed record Database(string Source, SqlDialect Dialect, DbDataSource DataSource);

    /// <summary>The whole life of a message, as far as it is known.</summary>
    public async Task<MessageLife> ReadAsync(Guid messageId, CancellationToken cancellationToken)
    {
        var found = await Task.WhenAll(databases.Select(database => AskAsync(database, messageId, cancellationToken))).ConfigureAwait(false);
        return new MessageLife(messageId, [.. found.SelectMany(f => f.Steps).OrderBy(s => s.At).ThenBy(s => s.Kind)], [.. found.Select(f => f.Answer)]);
    }

    private async Task<(IReadOnlyList<MessageStep> Steps, MessageLife.Answer Answer)> AskAsync(Database database, Guid messageId, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            // Some drivers connect on the caller's thread, and one does not end its wait when it is told to.
            return await Task.Run(() => AnswerAsync(database, messageId, limit.Token), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ([], new MessageLife.Answer(database.Source, 0, "no answer", false));
        }
        catch (Exception exception) when (exception is DbException or OutboxConfigurationException)
        {
            return ([], new MessageLife.Answer(database.Source, 0, exception is DbException ? SqlErrors.TextOf(exception) : exception.Message, false));
        }
    }

    private async Task<(IReadOnlyList<MessageStep> Steps, MessageLife.Answer Answer)> AnswerAsync(Database database, Guid messageId, CancellationToken cancellationToken)
    {
        // Given back when the work ends, not when somebody stops waiting for it.
        var turn = Turns.GetValue(database.DataSource, static _ => new SemaphoreSlim(1, 1));
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Whoever has lost patience in the moment in which the turn came to it looks no more.
            cancellationToken.ThrowIfCancellationRequested();
            return await LookAsync(database, messageId, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task<(IReadOnlyList<MessageStep> Steps, MessageLife.Answer Answer)> LookAsync(Database database, Guid messageId, CancellationToken cancellationToken)
    {
        var connection = await database.DataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await OutboxSchema.CheckAsync(connection, $"Source '{database.Source}'", $"'broker schema --source {database.Source} --create'", refusesNewer: false, cancellationToken).ConfigureAwait(false);
        // As a relay: the plan of an empty table would walk all of a full one.
        await connection.Command(database.Dialect.PrepareRelayConnection).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        var inquiry = new MessageInquiry(connection, database.Dialect, database.Source, messageId, time);
        await inquiry.RunAsync(PageSize, MostRows, cancellationToken).ConfigureAwait(false);
        return (inquiry.Steps, new MessageLife.Answer(database.Source, inquiry.Steps.Count, null, inquiry.IsCutShort));
    }
}
