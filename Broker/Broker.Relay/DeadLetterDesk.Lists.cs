using System.Data;
using System.Data.Common;
using System.Globalization;
using Outbox.Sql;

namespace Broker.Relay;

/// <content>What an operator sees. Lists are read by the page, from the last row of the page before; nothing is counted.</content>
internal sealed partial class DeadLetterDesk
{
    private static readonly DateTime Earliest = new(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Latest = new(9999, 12, 31, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>A letter.</summary>
    /// <param name="Id">Its number.</param>
    /// <param name="State"><c>blocking</c>: the later messages of its key wait for it; <c>dead</c>; <c>discarded</c>.</param>
    /// <param name="Consumer">The consumer that could not handle it; null: the relay could not publish it.</param>
    /// <param name="Sequence">Where it lay in the outbox; 0 if a consumer could not handle it.</param>
    /// <param name="Type">Its type.</param>
    /// <param name="Key">Its key.</param>
    /// <param name="MessageId">Its id, as it was written; empty without one.</param>
    /// <param name="Reason">Why it could not be published or handled.</param>
    /// <param name="Attempts">How often that was tried.</param>
    /// <param name="FirstFailedAt">When it failed first, UTC.</param>
    /// <param name="LastFailedAt">When it failed last, or was discarded, UTC.</param>
    /// <param name="Source">The source that its message said it came from.</param>
    internal sealed record Letter(
        long Id, string State, string? Consumer, long Sequence, string Type, string? Key, string MessageId, string Reason, int Attempts, DateTime FirstFailedAt, DateTime LastFailedAt, string? Source)
    {
        /// <summary>Whether the later messages of its key wait for it.</summary>
        public bool Blocks => State == "blocking";

        /// <summary>Whether it waits for an operator.</summary>
        public bool IsOpen => State is "dead" or "blocking";
    }

    /// <summary>Which letters are meant. Each part narrows the choice; without any it is all that wait for an operator.</summary>
    /// <param name="Id">One of this number.</param>
    /// <param name="Type">Those of a type.</param>
    /// <param name="Key">Those of a key.</param>
    /// <param name="Consumer">Those of a consumer.</param>
    /// <param name="Side">Those of the <c>relay</c>, or of every <c>consumer</c>.</param>
    /// <param name="State">Those of one state; null: those that wait for an operator.</param>
    /// <param name="Since">Those that failed last at this time or later, UTC.</param>
    /// <param name="Text">Those with this text in their reason, in any case.</param>
    /// <param name="Ids">Those of these numbers.</param>
    /// <param name="UpTo">For what is done with them, not for lists: those up to this number. What becomes a dead letter meanwhile has a higher one.</param>
    /// <param name="Until">For what is done with them, not for lists: those that failed last at this time or earlier, UTC.</param>
    /// <param name="MostRedrives">For what is done with them, not for lists: those whose messages were redriven less often than so.</param>
    internal sealed record Filter(
        long? Id = null, string? Type = null, string? Key = null, string? Consumer = null, string? Side = null, string? State = null, DateTime? Since = null, string? Text = null, IReadOnlyList<long>? Ids = null,
        long? UpTo = null, DateTime? Until = null, int? MostRedrives = null);

    /// <summary>A page of a list.</summary>
    /// <param name="Limit">Most rows.</param>
    /// <param name="Descending">The latest first.</param>
    /// <param name="ByFailure">In the order of the last failure; otherwise of the numbers.</param>
    /// <param name="From">The row that it begins behind, or with <paramref name="Before"/> ends in front of; null: the first page.</param>
    /// <param name="Before">The page in front of <paramref name="From"/> instead of the one behind it.</param>
    internal sealed record Page(int Limit, bool Descending = false, bool ByFailure = false, Place? From = null, bool Before = false);

    /// <summary>Where a row stands in a list, in either order.</summary>
    internal sealed record Place(long Id, DateTime LastFailedAt)
    {
        public static Place Of(Letter letter) => new(letter.Id, letter.LastFailedAt);
    }

    /// <summary>All of a letter.</summary>
    /// <param name="Letter">What lists show of it.</param>
    /// <param name="OriginalId">The id as the sender wrote it.</param>
    /// <param name="ContentType">What its body is.</param>
    /// <param name="Headers">Its headers as JSON text, as they were written: perhaps no JSON at all.</param>
    /// <param name="Error">The exception's text; of a discarded letter by whom, when and why.</param>
    /// <param name="Partition">Its partition, on the relay's side.</param>
    /// <param name="KeySequence">Its number in its key, if it has one.</param>
    /// <param name="CreatedAt">When it was written, UTC, on the relay's side.</param>
    /// <param name="ExpiresAt">When it expires, UTC.</param>
    /// <param name="BodyLength">The bytes of its body.</param>
    /// <param name="Body">The first of them.</param>
    /// <param name="Acts">What was done with it, the last first.</param>
    internal sealed record Detail(
        Letter Letter, string? OriginalId, string? ContentType, string? Headers, string? Error, short? Partition, long? KeySequence, DateTime? CreatedAt, DateTime? ExpiresAt, long BodyLength, byte[] Body, IReadOnlyList<Act> Acts);

    /// <summary>Something that was done with a letter.</summary>
    /// <param name="At">When, UTC.</param>
    /// <param name="Id">The letter's number.</param>
    /// <param name="Consumer">Its consumer; null: the relay's.</param>
    /// <param name="MessageId">Its message.</param>
    /// <param name="What">What was done.</param>
    /// <param name="Actor">By whom.</param>
    /// <param name="Reason">Why.</param>
    /// <param name="KeepsBody">Whether the body from before is kept with it.</param>
    internal sealed record Act(DateTime At, long Id, string? Consumer, string? MessageId, string What, string Actor, string? Reason, bool KeepsBody);

    /// <summary>The next letters after one, in order of their ids.</summary>
    public Task<IReadOnlyList<Letter>> ListAsync(Filter filter, long after, int limit, CancellationToken cancellationToken) =>
        ListAsync(filter, new Page(limit, From: new Place(after, Earliest)), cancellationToken);

    /// <summary>A page of letters.</summary>
    public async Task<IReadOnlyList<Letter>> ListAsync(Filter filter, Page page, CancellationToken cancellationToken)
    {
        var down = page.Descending != page.Before;
        var (after, at) = page.From is { } place ? (place.Id, place.LastFailedAt) : down ? (long.MaxValue, Latest) : (0, Earliest);
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command((page.ByFailure, down) switch
        {
            (false, false) => dialect.ListDeadLetters,
            (false, true) => dialect.ListDeadLettersBack,
            (true, false) => dialect.ListDeadLettersByFailure,
            (true, true) => dialect.ListDeadLettersByFailureBack,
        });
        await using var __ = command.ConfigureAwait(false);
        Bind(command, filter).With("after", after).With("limit", page.Limit);
        if (page.ByFailure)
            command.With("at", at, DbType.DateTime);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var letters = new List<Letter>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            letters.Add(LetterOf(reader));
        if (page.Before)
            letters.Reverse();
        return letters;
    }

    /// <summary>How many letters a filter names.</summary>
    public async Task<long> CountAsync(Filter filter, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return Convert.ToInt64(await Bind(connection.Command(dialect.CountDeadLetters), filter).ScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }

    /// <summary>All of one letter, with the first bytes of its body; null if there is none of this number.</summary>
    public async Task<Detail?> ReadAsync(long id, int mostBody, CancellationToken cancellationToken)
    {
        var acts = await HistoryAsync(id, Batch, cancellationToken).ConfigureAwait(false);
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command(dialect.ReadDeadLetter).With("id", id).With("limit", mostBody);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            return null;
        return new Detail(
            LetterOf(reader), reader.TextOrNull(13), reader.TextOrNull(14), reader.TextOrNull(15), reader.TextOrNull(16), (short?)reader.NumberOrNull(17), reader.NumberOrNull(18), reader.UtcOrNull(19), reader.UtcOrNull(20),
            reader.NumberOrNull(21) ?? 0, reader.IsDBNull(22) ? [] : reader.GetFieldValue<byte[]>(22), acts);
    }

    /// <summary>What was done with letters, the last first.</summary>
    public async Task<IReadOnlyList<Act>> HistoryAsync(long? id, int limit, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var command = connection.Command(dialect.ListDeadLetterActions).With("id", id, DbType.Int64).With("limit", limit);
        await using var __ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var ___ = reader.ConfigureAwait(false);
        var acts = new List<Act>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            acts.Add(new Act(
                reader.Utc(0), reader.GetInt64(1), reader.GetString(2) == "consumer" ? reader.GetString(3) : null, reader.TextOrNull(4), reader.GetString(5), reader.GetString(6), reader.TextOrNull(7),
                Convert.ToInt32(reader.GetValue(8), CultureInfo.InvariantCulture) == 1));
        }
        return acts;
    }

    private DbCommand Bind(DbCommand command, Filter filter) => command
        .With("ids", IdsOf(filter) is { } ids ? dialect.SequencesParameter(ids) : null, IdsOf(filter) is null ? DbType.String : null)
        .With("side", filter.Side, DbType.String).With("consumer", filter.Consumer, DbType.String).With("type", filter.Type, DbType.String).With("key", filter.Key, DbType.String)
        .With("state", filter.State, DbType.String).With("since", filter.Since, DbType.DateTime).With("text", filter.Text, DbType.String);

    private static IReadOnlyList<long>? IdsOf(Filter filter) => filter.Ids ?? (filter.Id is { } id ? [id] : null);

    private static Letter LetterOf(DbDataReader reader) => new(
        reader.GetInt64(0), reader.GetString(1), reader.GetString(2) == "consumer" ? reader.GetString(3) : null, reader.NumberOrNull(4) ?? 0, reader.TextOrNull(5) ?? "", reader.TextOrNull(6),
        reader.IdTextOrNull(7) ?? "", reader.GetString(8), Convert.ToInt32(reader.GetValue(9), CultureInfo.InvariantCulture), reader.Utc(10), reader.Utc(11), reader.TextOrNull(12));
}
