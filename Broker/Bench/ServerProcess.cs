using System.Globalization;

namespace Broker.Bench;

/// <summary>A server on this machine: the process that listens on a port, and its children. Linux only.</summary>
internal sealed class ServerProcess
{
    private const double TicksPerSecond = 100;

    private readonly int _id;

    private ServerProcess(int id) => _id = id;

    /// <summary>Null if it is elsewhere, or if the system does not tell.</summary>
    public static ServerProcess? Find(string host, int port)
    {
        if (!OperatingSystem.IsLinux() || host is not ("localhost" or "127.0.0.1" or "::1"))
            return null;
        try
        {
            var sockets = ((string[])["/proc/net/tcp", "/proc/net/tcp6"]).Where(File.Exists).SelectMany(File.ReadLines)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                // State 0A listens.
                .Where(fields => fields.Length > 9 && fields[3] == "0A" && fields[1].EndsWith(string.Create(CultureInfo.InvariantCulture, $":{port:X4}"), StringComparison.Ordinal))
                .Select(fields => $"socket:[{fields[9]}]").ToHashSet();
            // What a server starts may have inherited the socket; the server itself came first.
            return Ids().Order().FirstOrDefault(id => Holds(id, sockets)) is > 0 and var found ? new ServerProcess(found) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>CPU that it has used so far, with its children, those that have ended included; null once it is gone.</summary>
    public double? CpuSeconds()
    {
        var all = Ids().Select(Read).OfType<Usage>().ToList();
        if (all.FirstOrDefault(u => u.Id == _id) is not { } root)
            return null;
        var children = all.ToLookup(u => u.Parent);
        var (ticks, open) = (0L, new Stack<Usage>([root]));
        while (open.TryPop(out var usage))
        {
            ticks += usage.Ticks;
            foreach (var child in children[usage.Id])
                open.Push(child);
        }
        return ticks / TicksPerSecond;
    }

    private sealed record Usage(int Id, int Parent, long Ticks);

    private static IEnumerable<int> Ids() => Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0).Where(id => id > 0);

    private static Usage? Read(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            // The name stands in brackets and may hold anything. After it: state, parent, …; the times are fields 14 to 17 of the whole line.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return new Usage(id, int.Parse(fields[1], CultureInfo.InvariantCulture), fields[11..15].Sum(t => long.Parse(t, CultureInfo.InvariantCulture)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool Holds(int id, HashSet<string> sockets)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{id}/fd").Any(fd => new FileInfo(fd).LinkTarget is { } target && sockets.Contains(target));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
