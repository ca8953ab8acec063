using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Tests.Support;

namespace Broker.Tests.EndToEnd;

/// <summary>What a person sees who has made a mistake: one line that says what to change, at once, and no secret.</summary>
internal sealed class WorkerConfigurationTests
{
    private const string RabbitMq = "\"RabbitMq\": { \"Uri\": \"amqp://guest:s3cret@127.0.0.1:1/\" }";
    private const string Orders = "\"Database\": \"PostgreSql\", \"ConnectionString\": \"Host=127.0.0.1;Port=1;Password=s3cret\"";

    private static IEnumerable<TestCaseData> Mistakes()
    {
        static TestCaseData Case(string name, string json, params string[] says) => new TestCaseData(json, says).SetArgDisplayNames(name);
        yield return Case("no sources", "{ \"Broker\": { " + RabbitMq + " } }", "No sources are configured", "\"Sources\"");
        yield return Case("nothing at all", "{ }", "No sources are configured");
        yield return Case("unknown engine", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"Oracle\", \"ConnectionString\": \"x=s3cret\" } } } }", "Broker:Sources:orders:Database is 'Oracle'", "SqlServer, PostgreSql, MySql, Sqlite");
        yield return Case("two sources of one name", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { " + Orders + " }, \"orders\": { " + Orders + " } } } }", "two sources are named 'orders'");
        yield return Case("two sources of one name in a list", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": [ { \"Name\": \"orders\", " + Orders + " }, { \"Name\": \"orders\", " + Orders + " } ] } }", "two sources are named 'orders'");
        yield return Case("port out of range", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"PostgreSql\", \"ConnectionString\": \"Host=127.0.0.1;Port=99999;Password=s3cret\" } } } }", "Port is 99999", "1 to 65535");
        yield return Case("port that is no number", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"PostgreSql\", \"ConnectionString\": \"Host=127.0.0.1;Port=s3cret\" } } } }", "value of 'port' is no number");
        yield return Case("password with an unquoted semicolon", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"PostgreSql\", \"ConnectionString\": \"Host=127.0.0.1;Password=a;s3cret=b\" } } } }", "unknown keyword");
        static string SqlServer(string connectionString) => "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"SqlServer\", \"ConnectionString\": \"" + connectionString + "\" } } } }";
        static string MySql(string connectionString) => SqlServer(connectionString).Replace("SqlServer", "MySql", StringComparison.Ordinal);
        yield return Case("SQL Server without a database", SqlServer("Server=db;User ID=sa;Password=s3cret"), "not valid for SqlServer: it names no Database");
        yield return Case("SQL Server with an unquoted semicolon", SqlServer("Server=db;Database=orders;User ID=sa;Password=a;s3cret=b"), "unknown keyword");
        yield return Case("SQL Server with a wrong value", SqlServer("Server=db;Database=orders;Password=s3cret;Encrypt=s3cret"), "does not fit its keyword");
        yield return Case("SQL Server with a colon before the port", SqlServer("Server=db:1433;Database=orders;Password=s3cret"), "comma before the port");
        yield return Case("MySQL without a server", MySql("Database=orders;User ID=root;Password=s3cret"), "not valid for MySql: it names no Server");
        yield return Case("MySQL with an unquoted semicolon", MySql("Server=db;Database=orders;Password=a;s3cret=b"), "unknown keyword");
        yield return Case("MySQL with a port out of range", MySql("Server=db;Port=99999;Database=orders;Password=s3cret"), "Port is 99999", "1 to 65535");
        yield return Case("no AMQP URI", "{ \"Broker\": { \"RabbitMq\": { \"Uri\": \"http://guest:s3cret@localhost/\" }, \"Sources\": { \"orders\": { " + Orders + " } } } }", "Broker:RabbitMq:Uri", "amqp://");
        yield return Case("URI with a wrong port", "{ \"Broker\": { \"RabbitMq\": { \"Uri\": \"amqp://guest:s3cret@localhost:99999/\" }, \"Sources\": { \"orders\": { " + Orders + " } } } }", "Broker:RabbitMq:Uri", "1 to 65535");
        yield return Case("no URI", "{ \"Broker\": { \"Sources\": { \"orders\": { " + Orders + " } } } }", "Broker:RabbitMq:Uri is missing");
        yield return Case("no connection string", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"Sqlite\" } } } }", "Broker:Sources:orders:ConnectionString is missing", "Data Source=");
        yield return Case("misspelt key", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { " + Orders + ", \"Exchanges\": 4 } } } }", "Broker:Sources:orders:Exchanges is no known setting", "Exchange");
        yield return Case("policy of a type that is none", "{ \"Broker\": { " + RabbitMq + ", \"Relay\": { \"OnDeadLetterByType\": { \"orders.order-placed.v1\": \"Forget\" } }, \"Sources\": { \"orders\": { " + Orders + " } } } }", "Broker:Relay:OnDeadLetterByType", "BlockKey, Continue");
        yield return Case("setting that is no number", "{ \"Broker\": { " + RabbitMq + ", \"Relay\": { \"BatchSize\": \"many\" }, \"Sources\": { \"orders\": { " + Orders + " } } } }", "Broker:Relay:BatchSize is 'many'", "whole number");
        yield return Case("database in memory", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { \"Database\": \"Sqlite\", \"ConnectionString\": \"Data Source=:memory:\" } } } }", "in memory cannot be shared");
        yield return Case("notifications of an engine without", MySql("Server=db;Database=orders;Password=s3cret\", \"Notify\": \"true"), "Broker:Sources:orders:Notify: MySql has no LISTEN and NOTIFY");
        yield return Case("switch that is none", "{ \"Broker\": { " + RabbitMq + ", \"Sources\": { \"orders\": { " + Orders + ", \"Notify\": \"perhaps\" } } } }", "Broker:Sources:orders:Notify is 'perhaps'. Use true or false");
        yield return Case("no JSON", "{ \"Broker\": ", "worker.json");
    }

    [TestCaseSource(nameof(Mistakes))]
    public async Task A_mistake_in_the_configuration_ends_the_worker_with_one_line_that_says_what_to_change(string json, string[] says)
    {
        await using var worker = WorkerProcess.Start(json);
        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await AssertOneReadableLineAsync(worker, says);
    }

    [Test]
    public async Task A_configuration_file_that_is_not_there_is_named()
    {
        await using var worker = WorkerProcess.Run(TestServers.Folder, "run", "--config", "nowhere.json");
        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await AssertOneReadableLineAsync(worker, ["nowhere.json", "does not exist"]);
    }

    [Test]
    public async Task A_missing_table_ends_the_worker_and_says_how_to_create_it([ValueSource(typeof(TestDatabase), nameof(TestDatabase.Engines))] Outbox.Sql.SqlDialect engine)
    {
        await using var database = await TestDatabase.CreateAsync(engine, withTables: false);
        await database.ExecuteAsync("CREATE TABLE something_else (id int)");
        var configuration = new { RabbitMq = new { Uri = "amqp://guest:s3cret@127.0.0.1:1/" }, Sources = new { orders = WorkerProcess.Source(database) } };
        await using (var worker = WorkerProcess.Start(configuration))
        {
            Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
            await Eventually.IsTrueAsync(() => Task.FromResult(worker.Output.Contains("broker schema --source orders --create", StringComparison.Ordinal)), "the worker says how to create the table");
            Assert.That(worker.Output, Does.Not.Contain("   at "));
        }
        var folder = TestServers.Folder;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), Newtonsoft.Json.JsonConvert.SerializeObject(new { Broker = configuration }));
        await using var create = WorkerProcess.Run(folder, "schema", "--source", "orders", "--create");
        Assert.That(await create.ExitAsync(TimeSpan.FromMinutes(2)), Is.Zero);
        Assert.That(await database.CountAsync("outbox_messages"), Is.Zero);
    }

    // Its driver refuses to work where the program has given up all cultures, and says so only when it connects.
    [Test]
    public async Task A_SQL_Server_that_is_not_there_yet_is_waited_for()
    {
        await using var worker = WorkerProcess.Start(new { RabbitMq = new { Uri = "amqp://guest:s3cret@127.0.0.1:1/" }, Sources = new { orders = new { Database = "SqlServer", ConnectionString = "Server=127.0.0.1,1;Database=orders;User ID=sa;Password=s3cret" } } });
        await worker.SaysAsync("Source 'orders': the database is not there yet");
        Assert.That(worker.Output, Does.Not.Contain("s3cret").And.Not.Contain("Globalization"));
    }

    [Test]
    public async Task A_certificate_that_nobody_trusts_ends_the_worker_and_is_named_as_the_cause()
    {
        using var key = RSA.Create(2_048);
        using var certificate = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(120));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            // Encrypt=Strict begins with TLS itself, as every TLS server understands it.
            using var client = await listener.AcceptTcpClientAsync();
            await using var tls = new SslStream(client.GetStream());
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, ApplicationProtocols = [new SslApplicationProtocol("tds/8.0")] });
            await tls.CopyToAsync(Stream.Null);
        });
        var server = $"Server=127.0.0.1,{((IPEndPoint)listener.LocalEndpoint).Port};Database=orders;User ID=sa;Password=s3cret;Encrypt=Strict";
        await using var worker = WorkerProcess.Start(new { RabbitMq = new { Uri = "amqp://guest:s3cret@127.0.0.1:1/" }, Sources = new { orders = new { Database = "SqlServer", ConnectionString = server } } });

        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await AssertOneReadableLineAsync(worker, ["certificate is not trusted", "TrustServerCertificate=true"]);
        await serving.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Test]
    public async Task A_wrong_password_ends_the_worker()
    {
        var uri = new UriBuilder(await TestServers.RabbitMqAsync()) { UserName = "nobody", Password = "s3cret" }.Uri;
        await using var database = await TestDatabase.CreateAsync(Outbox.Sql.SqlDialect.Sqlite);
        await using var worker = WorkerProcess.Start(new { RabbitMq = new { Uri = uri.ToString() }, Sources = new { orders = WorkerProcess.Source(database) } });
        Assert.That(await worker.ExitAsync(TimeSpan.FromMinutes(2)), Is.EqualTo(ExitCodes.Misconfigured));
        await AssertOneReadableLineAsync(worker, ["refuses the user name or password"]);
    }

    private static async Task AssertOneReadableLineAsync(WorkerProcess worker, string[] says)
    {
        await Eventually.IsTrueAsync(() => Task.FromResult(worker.Output.Contains("broker:", StringComparison.Ordinal)), "the worker says what is wrong");
        Assert.Multiple(() =>
        {
            Assert.That(worker.Output.Split('\n').Where(l => l.Length > 0).Count(l => l.StartsWith("broker:", StringComparison.Ordinal)), Is.EqualTo(1));
            foreach (var text in says)
                Assert.That(worker.Output, Does.Contain(text));
            Assert.That(worker.Output, Does.Not.Contain("s3cret").And.Not.Contain("   at ").And.Not.Contain("Unhandled"));
        });
    }
}
