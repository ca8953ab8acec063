using Broker.Tests.Support;
using Microsoft.Data.Sqlite;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>SQLite's driver, whose pool once lent one connection to two.</summary>
internal sealed class SqlitePoolTests
{
    [TestCase("5.0.17.0", "Data Source=a.db", false)]
    [TestCase("8.0.34.0", "Data Source=a.db", true)]
    [TestCase("9.0.23.0", "Data Source=a.db;Pooling=True", true)]
    [TestCase("10.0.12.0", "Data Source=a.db", true)]
    [TestCase("10.0.12.0", "Data Source=a.db;pooling=false", false)]
    [TestCase("10.0.13.0", "Data Source=a.db", false)]
    [TestCase("11.0.0.0", "Data Source=a.db", false)]
    public void A_driver_before_the_fix_is_told_of_unless_it_is_used_without_its_pool(string driver, string connectionString, bool isTold)
    {
        using var log = new TestLog();

        SqlitePool.Check(Version.Parse(driver), connectionString, "Source 'orders'", log.CreateLogger("test"));

        Assert.That(log.Entries.Select(e => e.Message), isTold ? Has.One.StartsWith($"Source 'orders': the connection pool of Microsoft.Data.Sqlite {driver[..^2]} ").And.One.Contains("Pooling=False") : Is.Empty);
    }

    [Test]
    public async Task The_driver_that_this_project_brings_has_a_pool_without_the_fault()
    {
        using var log = new TestLog();
        await using var connection = new SqliteConnection("Data Source=a.db");

        SqlitePool.Check(connection, "Source 'orders'", log.CreateLogger("test"));

        Assert.That(log.Entries, Is.Empty);
    }
}
