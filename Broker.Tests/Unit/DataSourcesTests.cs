using Microsoft.Data.SqlClient;
using MySqlConnector;
using Npgsql;
using Outbox;
using Outbox.Sql;

namespace Broker.Tests.Unit;

/// <summary>What the worker makes of a connection string: what the person wrote, and what the relay needs.</summary>
internal sealed class DataSourcesTests
{
    private const string Server = "Server=db,1433;Database=orders;User ID=sa;Password=p";

    [TestCase(Server)]
    [TestCase(Server + ";MultipleActiveResultSets=true")]
    public async Task A_SQL_Server_connection_has_one_result_set_at_a_time(string connectionString) =>
        Assert.That((await SqlServerAsync(connectionString)).MultipleActiveResultSets, Is.False);

    [Test]
    public async Task A_SQL_Server_connection_is_encrypted_and_the_certificate_checked_unless_the_person_says_otherwise()
    {
        var usual = await SqlServerAsync(Server);
        Assert.That((usual.Encrypt, usual.TrustServerCertificate), Is.EqualTo((SqlConnectionEncryptOption.Mandatory, false)));

        var trusting = await SqlServerAsync(Server + ";TrustServerCertificate=true");
        Assert.That((trusting.Encrypt, trusting.TrustServerCertificate), Is.EqualTo((SqlConnectionEncryptOption.Mandatory, true)));

        Assert.That((await SqlServerAsync(Server + ";Encrypt=false")).Encrypt, Is.EqualTo(SqlConnectionEncryptOption.Optional));
        Assert.That((await SqlServerAsync(Server + ";Encrypt=strict")).Encrypt, Is.EqualTo(SqlConnectionEncryptOption.Strict));
    }

    [Test]
    public async Task A_connection_is_the_brokers_unless_it_has_a_name_already()
    {
        Assert.That((await SqlServerAsync(Server)).ApplicationName, Is.EqualTo("broker"));
        Assert.That((await SqlServerAsync(Server + ";Application Name=mine")).ApplicationName, Is.EqualTo("mine"));
        Assert.That((await MySqlAsync("Server=db;Database=orders")).ApplicationName, Is.EqualTo("broker"));
        Assert.That((await MySqlAsync("Server=db;Database=orders;Application Name=mine")).ApplicationName, Is.EqualTo("mine"));
    }

    [TestCase("SqlServer", Server)]
    [TestCase("MySql", "Server=db;Database=orders")]
    [TestCase("PostgreSql", "Host=db;Database=orders")]
    public async Task The_pool_has_room_for_all_that_a_relay_uses(string engine, string connectionString)
    {
        Assert.That(SqlDialect.TryParse(engine, out var dialect));
        foreach (var (connections, least) in ((int, int)[])[(8, 100), (1_000, 1_001)])
        {
            await using var source = DataSources.Create(dialect!, connectionString, connections);
            var size = engine switch
            {
                "SqlServer" => new SqlConnectionStringBuilder(source.ConnectionString).MaxPoolSize,
                "MySql" => (int)new MySqlConnectionStringBuilder(source.ConnectionString).MaximumPoolSize,
                _ => new NpgsqlConnectionStringBuilder(source.ConnectionString).MaxPoolSize,
            };
            Assert.That(size, Is.GreaterThanOrEqualTo(least), $"{connections} connections");
        }
    }

    [TestCase("SqlServer", "Database=orders", "it names no Server")]
    [TestCase("SqlServer", "Server=db", "it names no Database")]
    [TestCase("SqlServer", "Server=db:1433;Database=orders", "comma before the port")]
    [TestCase("SqlServer", "Server=tcp:db:1433;Database=orders", "comma before the port")]
    [TestCase("SqlServer", "Server=db,s3cret;Database=orders", "no port from 1 to 65535")]
    [TestCase("SqlServer", "Server=db,99999;Database=orders", "no port from 1 to 65535")]
    [TestCase("SqlServer", "Server=db;Database=orders;Password=a;s3cret", "unknown keyword")]
    [TestCase("SqlServer", "Server=db;Database=orders;Connect Timeout=s3cret", "does not fit its keyword")]
    [TestCase("SqlServer", "Server=db;Database=orders;Password='s3cret", "without '='")]
    [TestCase("MySql", "Database=orders", "it names no Server")]
    [TestCase("MySql", "Server=db", "it names no Database")]
    [TestCase("MySql", "Server=db;Database=orders;Port=0", "its Port is 0")]
    [TestCase("MySql", "Server=db;Database=orders;Port=s3cret", "not valid for MySql")]
    [TestCase("MySql", "Server=db;Database=orders;SslMode=s3cret", "not valid for MySql")]
    [TestCase("MySql", "Server=db;Database=orders;Password=a;s3cret=b", "unknown keyword")]
    public void A_broken_connection_string_is_told_without_quoting_it(string engine, string connectionString, string says)
    {
        Assert.That(SqlDialect.TryParse(engine, out var dialect));

        var error = Assert.Throws<OutboxConfigurationException>(() => DataSources.Check("Broker:Sources:orders", dialect!, connectionString))!;

        Assert.That(error.Message, Does.StartWith($"Broker:Sources:orders:ConnectionString is not valid for {engine}").And.Contains(says).And.Contains(DataSources.ExampleOf(dialect!)).And.Not.Contains("s3cret"));
    }

    [TestCase("Server=db;Database=orders")]
    [TestCase("Server=tcp:db.database.windows.net,1433;Database=orders;Authentication=Active Directory Default")]
    [TestCase("Server=.\\SQLEXPRESS;Database=orders;Integrated Security=true")]
    [TestCase("Server=(localdb)\\MSSQLLocalDB;Database=orders")]
    [TestCase("Server=::1,1433;Database=orders;User ID=sa;Password=a:1433")]
    [TestCase("Server=np:\\\\db\\pipe\\sql\\query;Database=orders")]
    public void Every_way_to_name_a_SQL_Server_is_taken(string connectionString) =>
        Assert.DoesNotThrow(() => DataSources.Check("Broker:Sources:orders", SqlDialect.SqlServer, connectionString));

    private static async Task<SqlConnectionStringBuilder> SqlServerAsync(string connectionString)
    {
        await using var source = DataSources.Create(SqlDialect.SqlServer, connectionString);
        return new SqlConnectionStringBuilder(source.ConnectionString);
    }

    private static async Task<MySqlConnectionStringBuilder> MySqlAsync(string connectionString)
    {
        await using var source = DataSources.Create(SqlDialect.MySql, connectionString);
        return new MySqlConnectionStringBuilder(source.ConnectionString);
    }
}
