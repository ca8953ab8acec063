using Broker.Tests.Support;

namespace Broker.Tests.EndToEnd;

/// <summary>What a newcomer runs first.</summary>
internal sealed class SampleTests
{
    [Test]
    public void The_quick_start_ends_well()
    {
        var (code, output) = TestServers.Start("dotnet", BuiltProgram.Path("QuickStart"));
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("stock went from 100 to 70"));
    }

    [Test]
    public void The_embedded_shop_converges()
    {
        var (code, output) = TestServers.Start("dotnet", BuiltProgram.Path("Shop"), "run", "--embedded", "--orders", "200");
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("CONVERGED").And.Not.Contain("NOT CONVERGED"));
    }

    [Test]
    public async Task The_shop_converges_on_every_server([Values("sqlserver", "postgresql", "mysql")] string engine)
    {
        var rabbitMq = await TestServers.RabbitMqAsync();
        var server = engine switch
        {
            "sqlserver" => TestServers.SqlServer(),
            "postgresql" => await TestServers.PostgreSqlAsync(),
            _ => TestServers.MariaDb(),
        };
        var (code, output) = TestServers.Start(
            "dotnet", BuiltProgram.Path("Shop"), "run", "--database", engine, "--connection-string", server, "--rabbitmq", rabbitMq, "--orders", "100", "--kill-worker", "0");
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("CONVERGED").And.Not.Contain("NOT CONVERGED").And.Not.Contain("could not remove"));
    }

    [TestCase("oracle", "mysql")]
    [TestCase("mysql", "BROKER_TEST_MARIADB")]
    [TestCase("SqlServer", "BROKER_TEST_SQLSERVER")]
    [TestCase("postgresql", "docker/servers.sh start postgres")]
    public void The_shop_says_what_to_type_when_it_has_no_server(string engine, string expected)
    {
        var (code, output) = TestServers.Start(
            "env", "-u", "BROKER_TEST_SQLSERVER", "-u", "BROKER_TEST_POSTGRES", "-u", "BROKER_TEST_MARIADB", "dotnet", BuiltProgram.Path("Shop"), "run", "--database", engine);
        Assert.That(code, Is.Not.Zero);
        Assert.That(output, Does.Contain(expected).And.Not.Contain("Exception"));
    }
}
