using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>Settling: exactly the given rows, and only for who holds the lease (G5).</summary>
internal abstract partial class OutboxStoreSuite
{
    [Test]
    public async Task Settling_deletes_exactly_the_given_rows()
    {
        for (var i = 0; i < 4; i++)
            await _database.InsertAsync(body: $"{i}");
        var all = (await _store.ReadAsync(0, 10, None)).Rows.Select(r => r.Sequence).ToList();

        Assert.That(await _store.SettleAsync([all[0], all[2]], None));

        Assert.That((await _store.ReadAsync(0, 10, None)).Rows.Select(Body), Is.EqualTo(new[] { "1", "3" }));
    }

    [Test]
    public async Task Settling_many_rows_at_once_works()
    {
        await using (var connection = await _database.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            for (var i = 0; i < 1_500; i++)
                await _database.InsertAsync(transaction: transaction);
            await transaction.CommitAsync();
        }
        var all = (await _store.ReadAsync(0, 2_000, None)).Rows.Select(r => r.Sequence).ToList();

        Assert.That(await _store.SettleAsync(all, None));

        Assert.That((all.Count, await _database.CountAsync("outbox_messages")), Is.EqualTo((1_500, 0L)));
    }

    [Test]
    public async Task Settling_a_row_that_somebody_else_removed_is_no_loss_of_the_lease()
    {
        await _database.InsertAsync();
        var sequence = (await _store.ReadAsync(0, 1, None)).Rows.Single().Sequence;
        await _database.ExecuteAsync("DELETE FROM outbox_messages");

        Assert.That(await _store.SettleAsync([sequence], None));
    }

    [Test]
    public async Task A_stale_token_deletes_nothing()
    {
        await _database.InsertAsync();
        await using var stale = await OpenAsync(_lease.Token - 1);
        var sequence = (await stale.ReadAsync(0, 1, None)).Rows.Single().Sequence;

        Assert.That(await stale.SettleAsync([sequence], None), Is.False);

        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_lease_that_was_taken_over_fences_its_old_holder_off()
    {
        await _database.InsertAsync();
        var sequence = (await _store.ReadAsync(0, 1, None)).Rows.Single().Sequence;
        await _database.ExecuteAsync($"UPDATE leases SET expires_at = {_database.Time(TimeSpan.FromDays(-1))}");
        await using var thief = (await _leases.TryAcquireAsync("relay/0", "second", TimeSpan.FromMinutes(5), None))!;
        await using var second = await OpenAsync(thief.Token);

        Assert.That(await _store.SettleAsync([sequence], None), Is.False);
        Assert.That(await _database.CountAsync("outbox_messages"), Is.EqualTo(1));
        Assert.That(await second.SettleAsync([sequence], None));
        Assert.That(await _database.CountAsync("outbox_messages"), Is.Zero);
    }

    [Test]
    public async Task While_a_settle_is_under_way_nobody_can_take_its_lease()
    {
        if (dialect == SqlDialect.Sqlite)
            Assert.Pass("This engine's writers take turns.");
        await _database.InsertAsync();
        var sequence = (await _store.ReadAsync(0, 1, None)).Rows.Single().Sequence;
        await _database.ExecuteAsync($"UPDATE leases SET expires_at = {_database.Time(TimeSpan.FromDays(-1))}");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await connection.Command(dialect.PrepareRelayConnection).ExecuteAsync(None);
        await using var settling = await connection.BeginTransactionAsync(System.Data.IsolationLevel.ReadCommitted);
        var settled = await connection.Command(dialect.SettleMessages, settling)
            .With("partition", (short)0).With("sequences", dialect.SequencesParameter([sequence])).With("lease", _lease.Name).With("token", _lease.Token)
            .ExecuteAsync(None);
        Assert.That(settled, Is.EqualTo(1));

        var theft = Task.Run(() => _leases.TryAcquireAsync("relay/0", "thief", TimeSpan.FromMinutes(5), None));
        await Eventually.IsTrueAsync(async () => await _database.WaitingSessionsAsync() == 1, "the thief waits");
        Assert.That(theft.IsCompleted, Is.False);
        await settling.CommitAsync();

        await using var thief = await theft.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.That(thief!.Token, Is.EqualTo(_lease.Token + 1));
    }
}
