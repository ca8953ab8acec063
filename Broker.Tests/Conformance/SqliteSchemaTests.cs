using Broker.Tests.Support;
using Microsoft.Data.Sqlite;
using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class SqliteSchemaTests() : SchemaSuite(SqlDialect.Sqlite)
{
    [Test]
    public async Task While_others_change_the_schema_a_table_is_missing_or_the_look_is_worth_another_try()
    {
        var source = $"Data Source={Path.Combine(TestServers.Folder, "changing.db")}";
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        var changing = Task.Run(() =>
        {
            using var connection = new SqliteConnection(source);
            connection.Open();
            connection.Command("PRAGMA journal_mode = WAL").ExecuteNonQuery();
            while (!enough.IsCancellationRequested)
                connection.Command("CREATE TABLE passing (x INT); DROP TABLE passing").ExecuteNonQuery();
        });
        var looking = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
        {
            using var connection = new SqliteConnection(source);
            connection.Open();
            var errors = new Dictionary<int, SqliteException>();
            while (!enough.IsCancellationRequested)
            {
                try
                {
                    connection.Command("SELECT version FROM outbox_schema").ExecuteScalar();
                }
                catch (SqliteException exception)
                {
                    errors[exception.SqliteErrorCode] = exception;
                }
            }
            return errors;
        }));
        var errors = (await Task.WhenAll(looking)).SelectMany(e => e.Values).ToList();
        await changing;

        Assert.That(errors, Is.Not.Empty);
        Assert.That(errors.Where(e => !SqlErrors.IsMissingTable(e) && !SqlErrors.IsTransient(e)).Select(e => e.Message).Distinct(), Is.Empty);
    }
}
