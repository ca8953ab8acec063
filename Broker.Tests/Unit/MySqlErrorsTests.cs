using System.Data.Common;
using System.Reflection;
using Broker.Tests.Support;
using MySqlConnector;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What the errors of MySQL, MariaDB and the driver mean.</summary>
internal sealed class MySqlErrorsTests
{
    [TestCase("transient", 1205, 1213, 1020, 1412, 1614, 3101, 3572)]
    [TestCase("duplicate key", 1062, 1586)]
    [TestCase("missing table", 1146)]
    [TestCase("missing column", 1054)]
    [TestCase("access denied", 1044, 1045, 1130, 1142, 1143, 1227, 1698, 1820, 1862, 3118, 3955, 4151)]
    [TestCase("unavailable", -1, 0, 1040, 1042, 1043, 1129, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927, 1928, 2002, 2003, 2006, 2013)]
    [TestCase("unavailable", 1049, 1047, 1053, 1077, 1078, 1079, 1317, 1969, 3024, 3032, 3168, 4031)]
    [TestCase("unavailable", 1021, 1030, 1037, 1038, 1041, 1114, 1290, 1792, 1836)]
    [TestCase("", 1048, 1064, 1406, 1452)]
    public void An_error_means_one_thing(string meaning, params int[] numbers)
    {
        var constructor = typeof(MySqlException).GetConstructor(BindingFlags.Instance | BindingFlags.NonPublic, [typeof(MySqlErrorCode), typeof(string)])!;
        foreach (var number in numbers)
            Assert.That(SqlErrorsTests.MeaningOf((MySqlException)constructor.Invoke([(MySqlErrorCode)number, "message"])), Is.EqualTo(meaning), $"error {number}");
    }

    [Test]
    public async Task What_the_server_itself_says_is_understood()
    {
        await using var database = await TestMySql.CreateAsync();
        await database.ExecuteAsync("CREATE TABLE u (a int PRIMARY KEY, b int) ENGINE = InnoDB; INSERT INTO u VALUES (1, 0), (2, 0)");

        Assert.That(await MeaningAsync(database, "SELECT * FROM nowhere"), Is.EqualTo("missing table"));
        Assert.That(await MeaningAsync(database, "SELECT nothing FROM u"), Is.EqualTo("missing column"));
        Assert.That(await MeaningAsync(database, "INSERT INTO u VALUES (1, 0)"), Is.EqualTo("duplicate key"));
        Assert.That(await MeaningAsync(database, "INSERT INTO u VALUES (NULL, 0)"), Is.Empty);
        Assert.That(await MeaningAsync(database, "this is no SQL"), Is.Empty);
    }

    [Test]
    public async Task A_lock_that_is_not_had_in_time_and_the_victim_of_a_deadlock_may_try_again()
    {
        await using var database = await TestMySql.CreateAsync();
        await database.ExecuteAsync("CREATE TABLE u (a int PRIMARY KEY, b int) ENGINE = InnoDB; INSERT INTO u VALUES (1, 0), (2, 0)");
        await using var first = await database.DataSource.OpenConnectionAsync();
        await using var second = await database.DataSource.OpenConnectionAsync();
        await RunAsync(first, "START TRANSACTION; UPDATE u SET b = 1 WHERE a = 1");
        Assert.That(await MeaningAsync(second, "SET innodb_lock_wait_timeout = 1; UPDATE u SET b = 2 WHERE a = 1"), Is.EqualTo("transient"));

        await RunAsync(second, "SET innodb_lock_wait_timeout = 20; START TRANSACTION; UPDATE u SET b = 2 WHERE a = 2");
        var both = await Task.WhenAll(
            Task.Run(() => MeaningAsync(first, "UPDATE u SET b = 1 WHERE a = 2")),
            Task.Run(() => MeaningAsync(second, "UPDATE u SET b = 2 WHERE a = 1")));
        Assert.That(both, Is.EquivalentTo(new[] { "transient", "no error" }));
    }

    [Test]
    public async Task A_killed_connection_and_a_command_that_timed_out_are_outages()
    {
        await using var database = await TestMySql.CreateAsync();
        await using var killed = await database.DataSource.OpenConnectionAsync();
        var waiting = Task.Run(() => MeaningAsync(killed, "SELECT sleep(20)"));
        await Eventually.IsTrueAsync(async () => await database.WaitingSessionsAsync() == 1, "it waits");
        await database.ExecuteAsync($"KILL {((MySqlConnection)killed).ServerThread}");
        Assert.That(await waiting.WaitAsync(TimeSpan.FromSeconds(60)), Is.EqualTo("unavailable"));
        Assert.That(await MeaningAsync(killed, "SELECT 1"), Is.Not.EqualTo("no error").And.Not.EqualTo("transient"), "the connection is of no use any more");

        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var slow = connection.Command("SELECT sleep(20)");
        slow.CommandTimeout = 1;
        Assert.That(SqlErrorsTests.MeaningOf(Assert.CatchAsync<DbException>(slow.ExecuteNonQueryAsync)!), Is.EqualTo("unavailable"));
    }

    [Test]
    public async Task A_wrong_password_is_told_from_a_server_or_a_database_that_is_not_there()
    {
        var server = TestServers.MariaDb();
        Assert.That(await ConnectAsync(new MySqlConnectionStringBuilder(server) { Password = "wrong", Pooling = false }), Is.EqualTo("access denied"));
        Assert.That(await ConnectAsync(new MySqlConnectionStringBuilder(server) { Database = "not_there_yet", Pooling = false }), Is.EqualTo("unavailable").Or.EqualTo("access denied"), "a user without rights everywhere is not told");
        Assert.That(await ConnectAsync(new MySqlConnectionStringBuilder(server) { Port = 1, Pooling = false }), Is.EqualTo("unavailable"));
        Assert.That(await ConnectAsync(new MySqlConnectionStringBuilder(server) { Server = "nowhere.invalid", Pooling = false, ConnectionTimeout = 5 }), Is.EqualTo("unavailable"));
    }

    private static async Task<string> ConnectAsync(MySqlConnectionStringBuilder server)
    {
        await using var connection = new MySqlConnection(server.ConnectionString);
        return SqlErrorsTests.MeaningOf(Assert.CatchAsync<DbException>(connection.OpenAsync)!);
    }

    private static async Task<string> MeaningAsync(TestDatabase database, string sql)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        return await MeaningAsync(connection, sql);
    }

    private static async Task<string> MeaningAsync(DbConnection connection, string sql)
    {
        try
        {
            await RunAsync(connection, sql);
            return "no error";
        }
        catch (Exception exception) when (exception is DbException or InvalidOperationException)
        {
            return SqlErrorsTests.MeaningOf(exception);
        }
    }

    private static Task<int> RunAsync(DbConnection connection, string sql) => connection.Command(sql).ExecuteAsync(CancellationToken.None);
}
