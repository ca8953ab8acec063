using Outbox.Transport;

namespace Broker.Tests.Unit;

internal sealed class TopicPatternTests
{
    [TestCase("a.b.c", "a.b.c", true)]
    [TestCase("a.b.c", "a.b", false)]
    [TestCase("a.b", "a.b.c", false)]
    [TestCase("a.*.c", "a.b.c", true)]
    [TestCase("a.*.c", "a.c", false)]
    [TestCase("*", "a", true)]
    [TestCase("*", "a.b", false)]
    [TestCase("*.*", "a.b", true)]
    [TestCase("#", "", true)]
    [TestCase("#", "a.b.c", true)]
    [TestCase("a.#", "a", true)]
    [TestCase("a.#", "a.b.c", true)]
    [TestCase("a.#", "b.a", false)]
    [TestCase("#.c", "a.b.c", true)]
    [TestCase("#.c", "c", true)]
    [TestCase("a.#.d", "a.d", true)]
    [TestCase("a.#.d", "a.b.c.d", true)]
    [TestCase("a.#.d", "a.b.c", false)]
    [TestCase("#.b.#", "a.b.c", true)]
    [TestCase("#.#", "a", true)]
    [TestCase("*.#", "a", true)]
    [TestCase("*.#", "a.b.c", true)]
    [TestCase("a.b*", "a.bc", false)]
    [TestCase("A", "a", false)]
    public void Patterns_match_as_in_amqp(string pattern, string routingKey, bool matches) => Assert.That(TopicPattern.Matches(pattern, routingKey), Is.EqualTo(matches));
}
