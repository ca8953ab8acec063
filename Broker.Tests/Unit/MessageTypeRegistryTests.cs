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
    public void An_older_message_becomes_one_of_the_newest_version_step_by_step()
    {
        var registry = new MessageTypeRegistry().AddUpcast<Amount1, Amount2>(old => new Amount2(old.Cents / 100m)).AddUpcast<Amount2, Amount3>(old => new Amount3(old.Value, "EUR"));

        Assert.That(registry.NamesOf(typeof(Amount3), _ => false), Is.EquivalentTo(new Dictionary<string, Type> { ["unit.amount.v1"] = typeof(Amount1), ["unit.amount.v2"] = typeof(Amount2), ["unit.amount.v3"] = typeof(Amount3) }));
        Assert.That(registry.UpcastTo(typeof(Amount3), typeof(Amount1), new Amount1(250)), Is.EqualTo(new Amount3(2.5m, "EUR")));
        Assert.That(registry.UpcastTo(typeof(Amount3), typeof(Amount3), new Amount3(1, "USD")), Is.EqualTo(new Amount3(1, "USD")));
    }

    [Test]
    public void A_version_with_a_handler_of_its_own_is_not_upcast_past_it()
    {
        var registry = new MessageTypeRegistry().AddUpcast<Amount1, Amount2>(old => new Amount2(old.Cents)).AddUpcast<Amount2, Amount3>(old => new Amount3(old.Value, "EUR"));
        Type[] handled = [typeof(Amount2), typeof(Amount3)];

        Assert.That(registry.NamesOf(typeof(Amount3), handled.Contains).Keys, Is.EqualTo(new[] { "unit.amount.v3" }));
        Assert.That(registry.NamesOf(typeof(Amount2), handled.Contains).Keys, Is.EquivalentTo(new[] { "unit.amount.v1", "unit.amount.v2" }));
    }

    [Test]
    public void An_alias_of_an_older_version_is_read_as_that()
    {
        var registry = new MessageTypeRegistry().AddUpcast<Amount1, Amount2>(old => new Amount2(old.Cents)).AddAlias<Amount1>("unit.old-amount");

        Assert.That(registry.NamesOf(typeof(Amount2), _ => false)["unit.old-amount"], Is.EqualTo(typeof(Amount1)));
        Assert.That(registry.NameOf(typeof(Amount1)), Is.EqualTo("unit.amount.v1"), "what is written");
    }

    [Test]
    public void A_step_that_fails_says_which()
    {
        var registry = new MessageTypeRegistry().AddUpcast<Amount1, Amount2>(_ => throw new InvalidOperationException("no currency"));

        Assert.That(() => registry.UpcastTo(typeof(Amount2), typeof(Amount1), new Amount1(1)), Throws.TypeOf<UnreadableMessageException>().With.Message.Contains("unit.amount.v1 to unit.amount.v2").And.Message.Contains("no currency"));
    }

    [Test]
    public void Versions_that_go_round_in_a_circle_or_have_two_successors_are_refused()
    {
        var registry = new MessageTypeRegistry().AddUpcast<Amount1, Amount2>(old => new Amount2(old.Cents)).AddUpcast<Amount2, Amount3>(old => new Amount3(old.Value, "EUR"));

        Assert.That(() => registry.AddUpcast<Amount3, Amount1>(_ => new Amount1(0)), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("circle"));
        Assert.That(() => registry.AddUpcast<Amount1, Amount1>(old => old), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("circle"));
        Assert.That(() => registry.AddUpcast<Amount1, Amount3>(_ => new Amount3(0, "EUR")), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("one successor"));
    }

    [Test]
    public void An_alias_belongs_to_one_class()
    {
        Assert.That(() => new MessageTypeRegistry().Add<Placed>().AddAlias<Amount1>("unit.placed.v1"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("unit.placed.v1").And.Message.Contains(nameof(Placed)));
        Assert.That(() => new MessageTypeRegistry().AddAlias<Amount1>("unit.placed.v1").Add<Placed>(), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("alias"));
        Assert.That(() => new MessageTypeRegistry().AddAlias<Amount1>("unit.old").AddAlias<Amount2>("unit.old"), Throws.TypeOf<OutboxConfigurationException>().With.Message.Contains("unit.old"));
        Assert.That(() => new MessageTypeRegistry().AddAlias<Amount1>("Not A Name"), Throws.TypeOf<OutboxConfigurationException>());
    }

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

    [MessageType("unit.amount.v1")]
    private sealed record Amount1(long Cents);

    [MessageType("unit.amount.v2")]
    private sealed record Amount2(decimal Value);

    [MessageType("unit.amount.v3")]
    private sealed record Amount3(decimal Value, string Currency);
}
