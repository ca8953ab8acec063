using Outbox;
using Outbox.RabbitMQ;

namespace Broker.Tests.Unit;

/// <summary>The nodes of a RabbitMQ cluster in the configuration.</summary>
internal sealed class RabbitMqHostsTests
{
    [TestCase("amqp://h/", null, "h:5672")]
    [TestCase("amqp://h:5680/", "", "h:5680")]
    [TestCase("amqps://h/", null, "h:5671")]
    [TestCase("amqp://h:5680/", "a", "a:5680")]
    [TestCase("amqps://h/", "a, b:5673", "a:5671, b:5673")]
    [TestCase("amqp://h/", "10.0.0.1:1,rabbit-2.internal:65535", "10.0.0.1:1, rabbit-2.internal:65535")]
    public void They_are_the_list_or_else_the_host_of_the_URI(string uri, string? hosts, string expected) =>
        Assert.That(Hosts(uri, hosts).ToString(), Is.EqualTo(expected));

    [TestCase("a,,b")]
    [TestCase("a:0")]
    [TestCase("a:99999")]
    [TestCase("a:")]
    [TestCase("a b")]
    [TestCase("a/v")]
    [TestCase("amqp://guest:s3cret@a:5672")]
    public void What_names_no_node_is_refused_and_no_password_repeated(string hosts)
    {
        var error = Assert.Throws<OutboxConfigurationException>(() => new RabbitMqOptions { Uri = new Uri("amqp://h/"), Hosts = hosts }.Validate());

        Assert.That(error!.Message, Does.Contain("'rabbit-1:5672, rabbit-2:5672, rabbit-3:5672'").And.Not.Contain("s3cret"));
    }

    [Test]
    public void Each_try_takes_them_in_an_order_by_chance_and_misses_none()
    {
        var hosts = Hosts("amqp://h/", "a, b, c");
        var orders = Enumerable.Range(0, 200).Select(_ => string.Concat(hosts.All().Select(n => n.HostName))).ToList();

        Assert.That(orders.Distinct(), Is.EquivalentTo((string[])["abc", "acb", "bac", "bca", "cab", "cba"]));
    }

    [TestCase("amqps://h/", true)]
    [TestCase("amqp://h/", false)]
    public void TLS_is_that_of_the_URI_and_each_node_has_to_prove_its_own_name(string uri, bool isTls)
    {
        foreach (var node in Hosts(uri, "a, b").Nodes)
        {
            Assert.That(node.Ssl.Enabled, Is.EqualTo(isTls));
            Assert.That(node.Ssl.ServerName, Is.EqualTo(node.HostName));
        }
    }

    private static RabbitMqHosts Hosts(string uri, string? hosts) => RabbitMqHosts.Of(new RabbitMqOptions { Uri = new Uri(uri), Hosts = hosts });
}
