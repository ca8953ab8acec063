using System.Text.Json;

namespace Shop.Hosting;

/// <summary>What a service tells the conductor through a small file: that it is up, where, and how many duplicates it has suppressed.</summary>
internal sealed record ServiceStatus(string? Address, long Duplicates)
{
    public void Write(string file)
    {
        // Moved into place, so that nobody reads half of it.
        File.WriteAllText(file + ".new", JsonSerializer.Serialize(this));
        File.Move(file + ".new", file, overwrite: true);
    }

    /// <summary>Null while the service is not up.</summary>
    public static ServiceStatus? TryRead(string file) => File.Exists(file) ? JsonSerializer.Deserialize<ServiceStatus>(File.ReadAllText(file)) : null;
}
