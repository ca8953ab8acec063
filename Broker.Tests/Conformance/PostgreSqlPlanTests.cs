using System.Globalization;
using System.Text.RegularExpressions;
using Broker.Tests.Support;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

/// <summary>The plans of PostgreSQL's statements. Its planner believes statistics that were taken while the outbox was empty, as they mostly are.</summary>
internal sealed partial class PostgreSqlPlanTests
{
    private static readonly SqlDialect Dialect = SqlDialect.PostgreSql;

    [Test]
    public async Task A_batch_costs_as_many_rows_as_it_has_whatever_the_statistics_say()
    {
        await using var database = await TestDatabase.CreateAsync(Dialect);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        async Task ExecuteAsync(string sql) => await connection.Command(sql).ExecuteAsync(CancellationToken.None);
        await ExecuteAsync("ANALYZE outbox_messages");
        await ExecuteAsync("INSERT INTO outbox_messages (message_id, type, body, not_before) SELECT gen_random_uuid(), 'plan.tried.v1', '', clock_timestamp() FROM generate_series(1, 20000)");
        await ExecuteAsync("INSERT INTO leases (name, owner, token, expires_at) VALUES ('relay/0', 'plan', 1, 'infinity')");
        await ExecuteAsync(Dialect.PrepareRelayConnection);

        foreach (var statement in (string[])[Dialect.FetchMessages, Dialect.SettleMessages, .. Dialect.ArchiveMessages, .. Dialect.ScheduleMessages, Dialect.ListSequences([(1, 1)])])
        {
            await using var command = connection.Command("EXPLAIN (ANALYZE, TIMING OFF) " + statement).With("partition", (short)0);
            if (statement == Dialect.ListSequences([(1, 1)]))
            {
                Dialect.BindSpans(command, [.. Enumerable.Range(0, 100).Select(i => ((long)(i * 10) + 1, (long)(i * 10) + 5))]);
                command.With("limit", 1_000);
            }
            else
            {
                command.With("sequences", Dialect.SequencesParameter([.. Enumerable.Range(1, 500).Select(i => (long)i)])).With("lease", "relay/0").With("token", 1L).With("outcome", "published");
            }
            // What ANALYZE did is not to be kept: the next statement wants the rows as well.
            await using var transaction = await connection.BeginTransactionAsync();
            command.Transaction = transaction;
            var plan = new List<string>();
            await using (var reader = await command.ExecuteReaderAsync())
            {
                while (await reader.ReadAsync())
                    plan.Add(reader.GetString(0));
            }
            await transaction.RollbackAsync();
            var touched = plan.Select(line => Rows().Match(line)).Where(m => m.Success).Max(m => long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) * long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
            Assert.That(touched, Is.InRange(500, 1_000), string.Join('\n', plan));
            Assert.That(plan, Has.None.Contains("Rows Removed"), string.Join('\n', plan));
        }
    }

    [GeneratedRegex("actual rows=([0-9]+) loops=([0-9]+)")]
    private static partial Regex Rows();
}
