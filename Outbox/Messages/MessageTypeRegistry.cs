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
    private readonly ConcurrentDictionary<string, Type> _aliases = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Type, Upcast> _upcasts = new();

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
        if (_aliases.TryGetValue(name, out var aliased) && aliased != type)
            throw new OutboxConfigurationException($"Message type '{name}' of {type.FullName} is an alias of {aliased.FullName}. Choose one.");
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

    /// <summary>Says that messages named <paramref name="name"/> are of <typeparamref name="T"/> too: after a rename, for what older senders write and what waits in queues and tables.</summary>
    /// <remarks>Written is always the class's own name. Consumers bind their queues to both.</remarks>
    /// <exception cref="OutboxConfigurationException">The name is not valid, or another class has it.</exception>
    public MessageTypeRegistry AddAlias<T>(string name)
        where T : notnull
    {
        Validate(typeof(T), name);
        Add<T>();
        if (_types.TryGetValue(name, out var owner) && owner != typeof(T))
            throw new OutboxConfigurationException($"Message type '{name}' is the name of {owner.FullName}; it cannot be an alias of {typeof(T).FullName}.");
        if (_aliases.GetOrAdd(name, typeof(T)) is var known && known != typeof(T))
            throw new OutboxConfigurationException($"Message type '{name}' is an alias of both {known.FullName} and {typeof(T).FullName}. Choose one.");
        return this;
    }

    /// <summary>Says how a message of an older version becomes one of the next. A consumer that handles the newest gets them all: each step is taken in turn, v1 → v2 → v3.</summary>
    /// <param name="upcast">Makes the new message. It must not have effects. When it throws, the message becomes a dead letter with the reason.</param>
    /// <remarks>The message stays as it was sent, in queues and dead letters; only the handler sees the newest version. A consumer with a handler for the older one uses that instead.</remarks>
    /// <exception cref="OutboxConfigurationException">A class has no valid name, the older one has two successors, or the steps go round in a circle.</exception>
    public MessageTypeRegistry AddUpcast<TOld, TNew>(Func<TOld, TNew> upcast)
        where TOld : notnull
        where TNew : notnull
    {
        ArgumentNullException.ThrowIfNull(upcast);
        Add<TOld>();
        Add<TNew>();
        for (Type? type = typeof(TNew); type is not null; type = _upcasts.GetValueOrDefault(type)?.To)
        {
            if (type == typeof(TOld))
                throw new OutboxConfigurationException($"Upcasting {typeof(TOld).FullName} to {typeof(TNew).FullName} goes round in a circle. Newer versions are not made old again.");
        }
        if (!_upcasts.TryAdd(typeof(TOld), new Upcast(typeof(TNew), message => upcast((TOld)message))))
            throw new OutboxConfigurationException($"{typeof(TOld).FullName} is upcast twice, to {_upcasts[typeof(TOld)].To.FullName} and to {typeof(TNew).FullName}. A version has one successor.");
        return this;
    }

    /// <summary>The names under which messages for a handler of <paramref name="type"/> arrive, older versions included unless they have a handler too, and the class that each is read as.</summary>
    internal IReadOnlyDictionary<string, Type> NamesOf(Type type, Func<Type, bool> isHandled)
    {
        var names = new Dictionary<string, Type>(StringComparer.Ordinal);
        Collect(type);
        return names;

        void Collect(Type version)
        {
            names.TryAdd(NameOf(version), version);
            foreach (var (alias, _) in _aliases.Where(a => a.Value == version))
                names.TryAdd(alias, version);
            foreach (var (older, _) in _upcasts.Where(u => u.Value.To == version && !isHandled(u.Key)))
                Collect(older);
        }
    }

    /// <summary>Makes a message that was read as <paramref name="from"/> one of <paramref name="to"/>, step by step.</summary>
    /// <exception cref="UnreadableMessageException">A step failed.</exception>
    internal object UpcastTo(Type to, Type from, object message)
    {
        while (from != to && _upcasts.TryGetValue(from, out var upcast))
        {
            try
            {
                message = upcast.Make(message) ?? throw new InvalidOperationException("it gave nothing");
            }
            catch (Exception exception)
            {
                throw new UnreadableMessageException($"Upcasting {NameOf(from)} to {NameOf(upcast.To)} failed: {exception.GetType().Name}: {exception.Message}", exception);
            }
            from = upcast.To;
        }
        return message;
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

    /// <summary>A step from one version to the next.</summary>
    private sealed record Upcast(Type To, Func<object, object> Make);

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
