using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Outbox.Messages;

/// <summary>Maps message classes to their stable names and back.</summary>
/// <remarks>Thread-safe. A class with a <see cref="MessageTypeAttribute"/> can be written without being registered; reading one needs it registered, so that a name from outside never picks a class by itself.</remarks>
public sealed partial class MessageTypeRegistry
{
    private readonly ConcurrentDictionary<Type, string> _names = new();
    private readonly ConcurrentDictionary<string, Type> _types = new(StringComparer.Ordinal);

    /// <summary>Registers <typeparamref name="T"/> by its <see cref="MessageTypeAttribute"/>.</summary>
    /// <exception cref="OutboxConfigurationException">The class has no valid name, or another class has the same.</exception>
    public MessageTypeRegistry Add<T>() => Add(typeof(T));

    /// <inheritdoc cref="Add{T}()"/>
    public MessageTypeRegistry Add(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return Add(type, AttributeName(type));
    }

    /// <summary>Registers <paramref name="type"/> under a name given here: for a class that cannot carry the attribute.</summary>
    /// <exception cref="OutboxConfigurationException">The name is not valid, or another class has it.</exception>
    public MessageTypeRegistry Add(Type type, string name)
    {
        ArgumentNullException.ThrowIfNull(type);
        Validate(type, name);
        if (_types.GetOrAdd(name, type) is var owner && owner != type)
            throw new OutboxConfigurationException($"Message type '{name}' is claimed by both {owner.FullName} and {type.FullName}. Give one of them another name, or a new version.");
        if (_names.GetOrAdd(type, name) is var known && known != name)
            throw new OutboxConfigurationException($"{type.FullName} is registered as '{known}' and as '{name}'. Register it once.");
        return this;
    }

    /// <summary>Registers every class of <paramref name="assembly"/> that carries a <see cref="MessageTypeAttribute"/>.</summary>
    /// <exception cref="OutboxConfigurationException">A name is not valid, or two classes have the same.</exception>
    public MessageTypeRegistry AddFrom(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        foreach (var type in assembly.GetTypes().Where(t => t.IsDefined(typeof(MessageTypeAttribute), inherit: false)))
            Add(type);
        return this;
    }

    /// <summary>The stable name of <paramref name="type"/>.</summary>
    /// <exception cref="OutboxConfigurationException">The class has no valid name.</exception>
    public string NameOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return _names.TryGetValue(type, out var name) ? name : _names.GetOrAdd(type, AttributeName(type));
    }

    /// <summary>The class registered for <paramref name="name"/>, if any.</summary>
    public bool TryResolve(string name, [NotNullWhen(true)] out Type? type) => _types.TryGetValue(name, out type);

    private static string AttributeName(Type type)
    {
        var name = type.GetCustomAttribute<MessageTypeAttribute>()?.Name
            ?? throw new OutboxConfigurationException($"{type.FullName} has no [MessageType(\"…\")]. Add one, for example [MessageType(\"{Suggestion(type)}\")].");
        Validate(type, name);
        return name;
    }

    private static void Validate(Type type, string name)
    {
        if (name is null || name.Length > MaxNameLength || !NamePattern().IsMatch(name))
            throw new OutboxConfigurationException(
                $"Message type '{name}' of {type.FullName} is not valid. Use lower-case words of letters, digits and hyphens joined by dots, at most {MaxNameLength} characters, for example '{Suggestion(type)}'.");
    }

    private static string Suggestion(Type type) => $"my-service.{KebabCase().Replace(type.Name.Split('`')[0], "-$1").TrimStart('-').ToLowerInvariant()}.v1";

    /// <summary>A routing key of AMQP holds 255 bytes; the rest is left for prefixes.</summary>
    internal const int MaxNameLength = 200;

    [GeneratedRegex("^[a-z0-9]+(?:-[a-z0-9]+)*(?:\\.[a-z0-9]+(?:-[a-z0-9]+)*)*\\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex("([A-Z])")]
    private static partial Regex KebabCase();
}
