namespace Outbox.Messages;

/// <summary>Gives a message class its stable name on the wire, such as <c>orders.order-placed.v1</c>.</summary>
/// <remarks>The name, never the CLR type, travels with the message, so classes can be renamed and moved freely. Give a changed shape a new version.</remarks>
/// <param name="name">Lower-case words of letters, digits and hyphens, joined by dots; at most 200 characters.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = false)]
public sealed class MessageTypeAttribute(string name) : Attribute
{
    /// <summary>The stable name.</summary>
    public string Name { get; } = name;
}
