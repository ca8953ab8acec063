using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace Broker.Tests.Support;

/// <summary>Stands before an interface of the client library, to fail where the network can fail. Calls go on to the real object, where there is one.</summary>
[SuppressMessage("Performance", "CA1852", Justification = "The runtime derives the proxies from it.")]
internal class Intercepted : DispatchProxy
{
    private object? _target;
    private Func<string, object?[], Func<object?>, object?> _around = (_, _, call) => call();

    /// <summary>An object that calls <paramref name="around"/> with the name of the member and what it would do.</summary>
    public static T Of<T>(T? target, Func<string, Func<object?>, object?> around)
        where T : class => Of<T>(target, (member, _, call) => around(member, call));

    /// <summary>An object that calls <paramref name="around"/> with the name of the member, its arguments and what it would do.</summary>
    public static T Of<T>(T? target, Func<string, object?[], Func<object?>, object?> around)
        where T : class
    {
        var proxy = Create<T, Intercepted>();
        var intercepted = (Intercepted)(object)proxy;
        (intercepted._target, intercepted._around) = (target, around);
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        _around(targetMethod!.Name, args ?? [], () => targetMethod.Invoke(_target, BindingFlags.DoNotWrapExceptions, null, args, null));
}
