using Microsoft.Data.Sqlite;
using Npgsql;
using Outbox.Sql;

namespace Broker.Tests.Unit;

internal sealed class SqlErrorsTests
{
    [TestCase("40001", "transient")]
    [TestCase("40P01", "transient")]
    [TestCase("55P03", "transient")]
    [TestCase("08006", "unavailable")]
    [TestCase("53300", "unavailable")]
    [TestCase("57P01", "unavailable")]
    [TestCase("57P03", "unavailable")]
    [TestCase("58030", "unavailable")]
    [TestCase("3D000", "unavailable")]
    [TestCase("25006", "unavailable")]
    [TestCase("42P01", "missing table")]
    [TestCase("3F000", "missing table")]
    [TestCase("42703", "missing column")]
    [TestCase("28P01", "access denied")]
    [TestCase("42501", "access denied")]
    [TestCase("23505", "duplicate key")]
    [TestCase("26000", "unprepared")]
    [TestCase("42P05", "unprepared")]
    [TestCase("22P02", "")]
    [TestCase("57014", "")]
    public void A_PostgreSQL_error_means_one_thing(string state, string meaning) =>
        Assert.That(MeaningOf(new PostgresException("message", "ERROR", "ERROR", state)), Is.EqualTo(meaning));

    [TestCase(5, "transient")]
    [TestCase(6, "transient")]
    [TestCase(17, "transient")]
    [TestCase(8, "unavailable")]
    [TestCase(10, "unavailable")]
    [TestCase(13, "unavailable")]
    [TestCase(14, "unavailable")]
    [TestCase(19, "")]
    public void A_SQLite_error_means_one_thing(int code, string meaning) =>
        Assert.That(MeaningOf(new SqliteException($"SQLite Error {code}: 'message'.", code)), Is.EqualTo(meaning));

    [Test]
    public void What_SQLite_itself_says_is_understood()
    {
        using var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();

        Assert.That(MeaningOf(Failure(connection, "SELECT * FROM nowhere")), Is.EqualTo("missing table"));
        Assert.That(MeaningOf(Failure(connection, "CREATE TABLE t (a); SELECT b FROM t")), Is.EqualTo("missing column"));
        Assert.That(MeaningOf(Failure(connection, "CREATE TABLE u (a PRIMARY KEY); INSERT INTO u VALUES (1), (1)")), Is.EqualTo("duplicate key"));
        using var unreachable = new SqliteConnection("Data Source=/nowhere/at/all.db;Mode=ReadOnly");
        Assert.That(MeaningOf(Assert.Throws<SqliteException>(unreachable.Open)!), Is.EqualTo("unavailable"));
    }

    [Test]
    public void What_the_network_says_is_an_outage_also_inside_other_errors()
    {
        Assert.That(MeaningOf(new NpgsqlException("broken", new IOException("reset"))), Is.EqualTo("unavailable"));
        Assert.That(MeaningOf(new NpgsqlException("broken without a cause")), Is.EqualTo("unavailable"));
        Assert.That(MeaningOf(new InvalidOperationException("save failed", new NpgsqlException("broken", new TimeoutException()))), Is.EqualTo("unavailable"));
        Assert.That(MeaningOf(new System.Net.Sockets.SocketException(111)), Is.EqualTo("unavailable"));
        Assert.That(MeaningOf(new InvalidOperationException("deadlock inside", new PostgresException("m", "ERROR", "ERROR", "40P01"))), Is.EqualTo("transient"));
        Assert.That(MeaningOf(new InvalidOperationException("a bug")), Is.Empty);
    }

    private static SqliteException Failure(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Assert.Throws<SqliteException>(() => command.ExecuteNonQuery())!;
    }

    /// <summary>Everything that an error is taken for. More than one thing would be a mistake.</summary>
    internal static string MeaningOf(Exception exception)
    {
        var meanings = new (string Name, bool Holds)[]
        {
            ("transient", SqlErrors.IsTransient(exception)),
            ("unavailable", SqlErrors.IsUnavailable(exception)),
            ("duplicate key", SqlErrors.IsDuplicateKey(exception)),
            ("missing table", SqlErrors.IsMissingTable(exception)),
            ("missing column", SqlErrors.IsMissingColumn(exception)),
            ("access denied", SqlErrors.IsAccessDenied(exception)),
            ("unprepared", SqlErrors.IsUnprepared(exception)),
        };
        return string.Join(", ", meanings.Where(m => m.Holds).Select(m => m.Name));
    }
}
