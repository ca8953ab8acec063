using System.Data.Common;
using System.Net.Sockets;
using Broker.Tests.Support;
using Microsoft.Data.SqlClient;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What the errors of SQL Server, Azure SQL and the driver mean. Real exceptions of the driver, without a server.</summary>
internal sealed class SqlServerErrorsTests
{
    [TestCase("transient", 1205, 1222, 3960, 3961, 3958, 3966, 601, 617, 669, 1203, 1221, 1807, 9515, 10922, 41301, 41302, 41305, 41325, 41839)]
    [TestCase("duplicate key", 2601, 2627)]
    [TestCase("missing table", 208)]
    [TestCase("missing column", 207)]
    [TestCase("access denied", 229, 230, 262, 297, 300, 916, 17892, 18452, 18456, 18470, 18486, 18487, 18488, 40532, 40615, 40914)]
    // A statement that ran too long, a login that did, no server, no route, a connection that broke, in Windows' numbers and in those of others.
    [TestCase("unavailable", -2, -1, 0, 2, 11, 20, 35, 40, 53, 64, 109, 121, 232, 233, 258, 1225, 1231, 1236, 10050, 10051, 10052, 10053, 10054, 10060, 10061, 10064, 10065, 11001, 11002, 11004)]
    // Databases that are not there yet, start, fail over, are restored, or are a replica that takes no writes.
    [TestCase("unavailable", 4060, 4221, 615, 904, 913, 921, 922, 924, 926, 927, 941, 942, 945, 951, 952, 976, 978, 979, 982, 983, 988, 997, 3906, 3908)]
    // Servers that start, stop, are being upgraded or serviced; sessions that are killed.
    [TestCase("unavailable", 596, 6001, 6002, 6005, 17142, 17187, 17188, 17189, 17197, 17809, 18401, 18451, 18461)]
    // No memory, no locks, no workers, no space, no disk.
    [TestCase("unavailable", 701, 802, 823, 824, 1101, 1105, 1204, 8628, 8645, 8651, 9001, 9002)]
    [TestCase("unavailable", 10928, 10929, 10930, 10936, 39108, 40143, 40166, 40197, 40501, 40540, 40544, 40613, 40642, 42108, 42109, 45156, 45157, 45161, 45182, 45319, 49918, 49919, 49920, 49977, 49983)]
    // The work's own fault: a value that does not fit, a null, a broken reference, a syntax error, a transaction that Azure finds too large.
    [TestCase("", 102, 515, 547, 8115, 8152, 2628, 40549, 40550, 40551, 40552, 40553, 50001)]
    public void An_error_means_one_thing(string meaning, params int[] numbers)
    {
        foreach (var number in numbers)
            Assert.That(SqlErrorsTests.MeaningOf(SqlServerError.Of(number)), Is.EqualTo(meaning), $"error {number}");
    }

    [Test]
    public void Whatever_the_driver_itself_calls_transient_is_taken_for_an_outage_or_tried_again()
    {
        // Microsoft.Data.SqlClient's SqlConfigurableRetryFactory, version 6.1.
        foreach (var number in (int[])[1204, 1205, 1222, 49918, 49919, 49920, 4060, 4221, 40143, 40613, 40501, 40540, 40197, 42108, 42109, 10929, 10928, 10060, 997, 233])
            Assert.That(SqlErrorsTests.MeaningOf(SqlServerError.Of(number)), Is.EqualTo("transient").Or.EqualTo("unavailable"), $"error {number}");
    }

    [Test]
    public void A_command_that_timed_out_may_have_been_done_and_counts_as_neither_done_nor_rolled_back()
    {
        // Only what IsTransient names is tried again as if nothing had happened.
        Assert.That(SqlErrors.IsTransient(SqlServerError.Of(-2)), Is.False);
        Assert.That(SqlErrors.IsUnavailable(SqlServerError.Of(-2)));
    }

    [Test]
    public void An_unknown_number_of_a_broken_socket_is_an_outage()
    {
        Assert.That(SqlErrorsTests.MeaningOf(SqlServerError.Of(7_777_777, inner: new SocketException((int)SocketError.HostUnreachable))), Is.EqualTo("unavailable"));
        Assert.That(SqlErrorsTests.MeaningOf(SqlServerError.Of(7_777_777, inner: new InvalidOperationException())), Is.Empty);
    }

    [Test]
    public void An_error_inside_another_keeps_its_meaning() =>
        Assert.That(SqlErrorsTests.MeaningOf(new InvalidOperationException("An error occurred while saving.", SqlServerError.Of(1205))), Is.EqualTo("transient"));

    [TestCase("Server=127.0.0.1,1;Database=d;User ID=u;Password=p;Connect Timeout=5")]
    [TestCase("Server=nowhere.invalid;Database=d;User ID=u;Password=p;Connect Timeout=5")]
    public void A_server_that_cannot_be_reached_is_an_outage(string connectionString)
    {
        using var connection = new SqlConnection(connectionString);

        Assert.That(SqlErrorsTests.MeaningOf(Assert.ThrowsAsync<SqlException>(connection.OpenAsync)!), Is.EqualTo("unavailable"));
    }

    /// <summary>On a real server: what it says itself.</summary>
    [Test]
    public async Task What_SQL_Server_itself_says_is_understood()
    {
        await using var database = await TestSqlServer.CreateAsync();
        await database.ExecuteAsync("CREATE TABLE u (a int NOT NULL PRIMARY KEY, b int NOT NULL); CREATE UNIQUE INDEX ux_u ON u (b); INSERT INTO u (a, b) VALUES (1, 1)");

        Assert.That(await MeaningAsync("SELECT * FROM nowhere"), Is.EqualTo("missing table"));
        Assert.That(await MeaningAsync("SELECT nothing FROM u"), Is.EqualTo("missing column"));
        Assert.That(await MeaningAsync("INSERT INTO u (a, b) VALUES (1, 2)"), Is.EqualTo("duplicate key"));
        Assert.That(await MeaningAsync("INSERT INTO u (a, b) VALUES (2, 1)"), Is.EqualTo("duplicate key"));
        Assert.That(await MeaningAsync("INSERT INTO u (a, b) VALUES (3, NULL)"), Is.Empty);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.Command("UPDATE u SET b = 2 WHERE a = 1", transaction).ExecuteAsync(CancellationToken.None);
        Assert.That(await MeaningAsync("SET LOCK_TIMEOUT 1; UPDATE u SET b = 3 WHERE a = 1"), Is.EqualTo("transient"));
        await using (var slow = (await database.DataSource.OpenConnectionAsync()).Command("UPDATE u SET b = 4 WHERE a = 1"))
        {
            slow.CommandTimeout = 1;
            Assert.That(SqlErrorsTests.MeaningOf(Assert.CatchAsync<DbException>(slow.ExecuteNonQueryAsync)!), Is.EqualTo("unavailable"));
            await slow.Connection!.DisposeAsync();
        }
        await transaction.RollbackAsync();

        async Task<string> MeaningAsync(string sql)
        {
            try
            {
                await database.ExecuteAsync(sql);
                return "no error";
            }
            catch (DbException exception)
            {
                return SqlErrorsTests.MeaningOf(exception);
            }
        }
    }
}
