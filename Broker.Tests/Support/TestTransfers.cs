using System.Data.Common;
using Microsoft.Extensions.Logging.Abstractions;
using Outbox.Etcd;
using Outbox.Sql;
using Outbox.TwoPhaseCommit;

namespace Broker.Tests.Support;

/// <summary>Two databases with accounts, and a coordinator over them. Nothing prepared is left behind when it is disposed.</summary>
internal sealed class TestTransfers : IAsyncDisposable
{
    /// <summary>What an account holds at first.</summary>
    public const long Balance = 1_000;

    /// <summary>A pairing: the engines, whether the second one is the last resource, and whether it holds the decisions.</summary>
    internal readonly record struct Pairing(SqlDialect First, SqlDialect Second, bool SecondIsLast = false, bool SecondDecides = false, bool InEtcd = false)
    {
        public bool SecondPreparesNot => SecondIsLast || Second.Branches is null;
    }

    private readonly TestDatabase[] _databases;

    private TestTransfers(string name, TestDatabase[] databases, Coordination coordination)
    {
        (Name, _databases, Coordination) = (name, databases, coordination);
        Coordinator = new TransactionCoordinator(coordination, services: null);
        Recovery = new TransactionRecovery(coordination);
    }

    public string Name { get; }

    public Coordination Coordination { get; }

    public TransactionCoordinator Coordinator { get; }

    public TransactionRecovery Recovery { get; }

    public TestDatabase First => _databases[0];

    public TestDatabase Second => _databases[1];

    /// <summary>The database that holds the decisions.</summary>
    public TestDatabase Deciding => Coordination.DecisionDatabase.Name == "first" ? First : Second;

    /// <summary>Makes them.</summary>
    /// <param name="pairing">The engines.</param>
    /// <param name="accounts">How many accounts each database has.</param>
    /// <param name="through">Puts something between the coordinator and a database, by the participant's name.</param>
    /// <param name="configure">Sets the options.</param>
    /// <param name="etcd">The nodes that keep the decisions of a pairing that decides in etcd; those of the run if none are given.</param>
    public static async Task<TestTransfers> CreateAsync(
        Pairing pairing, int accounts = 1, Func<string, TestDatabase, DbDataSource>? through = null, Action<TwoPhaseCommitOptions>? configure = null, IReadOnlyList<string>? etcd = null)
    {
        var databases = new[] { await TestDatabase.CreateAsync(pairing.First), await TestDatabase.CreateAsync(pairing.Second) };
        foreach (var database in databases)
        {
            await database.ExecuteAsync("CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))");
            for (var i = 0; i < accounts; i++)
                await database.ExecuteAsync("INSERT INTO accounts (id, balance) VALUES (@id, @balance)", ("id", i), ("balance", Balance));
        }
        var name = "t" + Guid.CreateVersion7().ToString("N")[^14..];
        var builder = new TwoPhaseCommitBuilder(name);
        builder.Options.Patience = TimeSpan.FromSeconds(20);
        configure?.Invoke(builder.Options);
        builder.AddParticipant("first", through?.Invoke("first", databases[0]) ?? databases[0].DataSource);
        var second = through?.Invoke("second", databases[1]) ?? databases[1].DataSource;
        _ = pairing.SecondIsLast ? builder.AddLastResource("second", second) : builder.AddParticipant("second", second);
        if (pairing.SecondDecides)
            builder.DecideIn("second");
        if (pairing.InEtcd)
            builder.DecideInEtcd([.. etcd ?? TestServers.Etcd()]);
        return new TestTransfers(name, databases, builder.Build(null!, TimeProvider.System, NullLogger.Instance));
    }

    /// <summary>Moves an amount from the first database to the second, and commits.</summary>
    public async Task<TransactionOutcome> TransferAsync(int account = 0, long amount = 10, TimeSpan? timeout = null)
    {
        await using var transaction = await Coordinator.BeginAsync(timeout ?? TimeSpan.FromSeconds(60));
        await MoveAsync(transaction, account, amount);
        return await transaction.CommitAsync();
    }

    /// <summary>The work of a transfer.</summary>
    public static async Task MoveAsync(CoordinatedTransaction transaction, int account = 0, long amount = 10)
    {
        var first = await transaction.EnlistAsync("first");
        await ChangeAsync(first, account, -amount);
        var second = await transaction.EnlistAsync("second");
        await ChangeAsync(second, account, amount);
    }

    public static async Task ChangeAsync(EnlistedParticipant participant, int account, long amount) =>
        await participant.CreateCommand("UPDATE accounts SET balance = balance + @amount WHERE id = @id").With("amount", amount).With("id", account).ExecuteAsync(CancellationToken.None);

    /// <summary>What an account holds in both.</summary>
    public async Task<(long First, long Second)> BalancesAsync(int account = 0) => (
        await First.ScalarAsync<long>("SELECT balance FROM accounts WHERE id = @id", ("id", account)),
        await Second.ScalarAsync<long>("SELECT balance FROM accounts WHERE id = @id", ("id", account)));

    /// <summary>How many branches are prepared in both.</summary>
    public async Task<int> PreparedAsync()
    {
        var count = 0;
        foreach (var participant in Direct().Where(p => p.Prepares))
            count += (await participant.ListPreparedAsync(Name, CancellationToken.None)).Count;
        return count;
    }

    /// <summary>Whether a participant has the marker of a transaction.</summary>
    public async Task<bool> HasMarkerAsync(string participant, string id) =>
        await (participant == "first" ? First : Second).ScalarAsync<long>("SELECT count(*) FROM transaction_markers WHERE transaction_id = @id AND branch = @branch", ("id", id), ("branch", participant)) == 1;

    /// <summary>The decision as it is recorded: word and outcome.</summary>
    public async Task<(string? Decision, string? Outcome)> DecisionAsync(string id) =>
        TransactionId.TryParse(id, out var transaction) && await Coordination.Store.FindAsync(transaction, CancellationToken.None) is { } decision ? (decision.Word, decision.Outcome) : (null, null);

    /// <summary>Recovers until nothing is prepared and every decision is settled.</summary>
    public Task RecoverAsync() => Eventually.IsTrueAsync(
        async () =>
        {
            try
            {
                await Recovery.RunAsync(CancellationToken.None);
            }
            catch (DbException exception) when (SqlErrors.IsUnavailable(exception))
            {
                // A connection of the pool that was cut; the next one is good.
                return false;
            }
            return await PreparedAsync() == 0 && (await Coordination.Store.ListUnfinishedAsync(TimeSpan.Zero, 100, CancellationToken.None)).Count == 0;
        },
        "recovery leaves nothing");

    public async ValueTask DisposeAsync()
    {
        await Coordinator.DisposeAsync();
        // No test may leave a branch behind, a failed one neither.
        await Eventually.IsTrueAsync(
            async () =>
            {
                foreach (var participant in Direct().Where(p => p.Prepares))
                {
                    foreach (var branch in await participant.ListPreparedAsync(Name, CancellationToken.None))
                        await RollBackAsync(participant, branch.Id);
                }
                return await PreparedAsync() == 0;
            },
            "no branch is left");
        foreach (var database in _databases)
            await database.DisposeAsync();
    }

    private static async Task RollBackAsync(Participant participant, TransactionId id)
    {
        await using var connection = await participant.DataSource.OpenConnectionAsync();
        try
        {
            await connection.Command(participant.Dialect.Branches!.Rollback(id, participant.Name)).ExecuteAsync(CancellationToken.None);
        }
        catch (DbException exception) when (SqlErrors.IsMissingBranch(exception))
        {
            // Its session has not ended yet.
        }
    }

    private IEnumerable<Participant> Direct() => Coordination.Participants.Select(p => new Participant(p.Name, (p.Name == "first" ? First : Second).DataSource, p.Dialect, p.IsLastResource));
}
