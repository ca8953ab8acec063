using Outbox;
using Outbox.Messages;

namespace Broker.Tests.Unit;

internal sealed class MessageTypeRegistryTests
{
    [Test]
    public void A_registered_class_is_found_by_its_name_and_back()
    {
        var registry = new MessageTypeRegistry().Add<Placed>();

        Assert.That(registry.NameOf(typeof(Placed)), Is.EqualTo("unit.placed.v1"));
        Assert.That(registry.TryResolve("unit.placed.v1", out var type) && type == typeof(Placed));
    }

    [Test]
    public void A_name_from_outside_never_picks_a_class_that_was_not_registered()
    {
        var registry = new MessageTypeRegistry();

        Assert.That(registry.NameOf(typeof(Placed)), Is.EqualTo("unit.placed.v1"), "writing needs no registration");
        Assert.That(registry.TryResolve("unit.placed.v1", out _), Is.False);
        Assert.That(registry.TryResolve(typeof(Placed).FullName!, out _), Is.False);
    }

    [Test]
    public void Registering_twice_is_fine() => Assert.That(() => new MessageTypeRegistry().Add<Placed>().Add<Placed>(), Throws.Nothing);

    [Test]
    public void Two_classes_of_one_name_are_refused_and_both_are_named() => Assert.That(
        () => new MessageTypeRegistry().Add<Placed>().Add<PlacedToo>(),
        Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains(nameof(Placed)).And.Message.Contains(nameof(PlacedToo)).And.Message.Contains("unit.placed.v1"));

    [Test]
    public void One_class_of_two_names_is_refused() => Assert.That(
        () => new MessageTypeRegistry().Add<Placed>().Add(typeof(Placed), "unit.other.v1"),
        Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("unit.placed.v1").And.Message.Contains("unit.other.v1"));

    [Test]
    public void A_class_that_cannot_carry_the_attribute_gets_its_name_here()
    {
        var registry = new MessageTypeRegistry().Add(typeof(Uri), "unit.uri.v1");

        Assert.That(registry.NameOf(typeof(Uri)), Is.EqualTo("unit.uri.v1"));
    }

    [Test]
    public void A_class_without_a_name_is_refused_with_one_to_type() => Assert.That(
        () => new MessageTypeRegistry().NameOf(typeof(OrderHasShipped)),
        Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("[MessageType(\"my-service.order-has-shipped.v1\")]"));

    [Test]
    public void A_derived_class_does_not_inherit_its_bases_name() =>
        Assert.That(() => new MessageTypeRegistry().NameOf(typeof(DerivedFromNamed)), Throws.TypeOf<OutboxConfigurationException>());

    [TestCase("a")]
    [TestCase("orders.order-placed.v1")]
    [TestCase("1.2.3")]
    public void Names_are_lower_case_words(string name) => Assert.That(() => new MessageTypeRegistry().Add(typeof(Uri), name), Throws.Nothing);

    [TestCase("")]
    [TestCase("Orders.Placed")]
    [TestCase("orders..placed")]
    [TestCase(".orders")]
    [TestCase("orders.")]
    [TestCase("orders.-placed")]
    [TestCase("orders.placed-")]
    [TestCase("orders placed")]
    [TestCase("orders.#")]
    [TestCase("orders.*")]
    [TestCase("bestellung.ä")]
    [TestCase("orders.placed\n")]
    public void Other_names_are_refused_with_an_example(string name) => Assert.That(
        () => new MessageTypeRegistry().Add(typeof(Uri), name), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("my-service.uri.v1"));

    [Test]
    public void A_name_has_at_most_200_characters()
    {
        Assert.That(() => new MessageTypeRegistry().Add(typeof(Uri), new string('a', 200)), Throws.Nothing);
        Assert.That(() => new MessageTypeRegistry().Add(typeof(Uri), new string('a', 201)), Throws.TypeOf<OutboxConfigurationException>());
    }

    [MessageType("unit.placed.v1")]
    private sealed record Placed;

    [MessageType("unit.placed.v1")]
    private sealed record PlacedToo;

    private sealed record OrderHasShipped;

    [MessageType("unit.named.v1")]
    private record Named;

    private sealed record DerivedFromNamed : Named;
}
