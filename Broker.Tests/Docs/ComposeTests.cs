using Broker.Tests.Support;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Broker.Tests.Docs;

/// <summary>docker/compose.yaml is read as it is meant, by Compose of today and by the last that was written in Python.</summary>
internal sealed class ComposeTests
{
    private static readonly string File = Path.Combine(Approved.Root, "docker", "compose.yaml");
    private static readonly string[] Profiles = ["worker", "observability"];

    /// <summary>Of a service, what both know. Neither ignores what it does not know.</summary>
    private static readonly string[] Keys =
    [
        "build", "cap_drop", "command", "depends_on", "environment", "extra_hosts", "healthcheck", "hostname", "image", "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes",
    ];

    [Test]
    public void Compose_itself_accepts_the_file_with_every_profile()
    {
        var (program, before) = TestServers.Compose();
        var (code, output) = TestServers.Start(program, [.. before, "-f", File, .. Profiles.SelectMany(p => new[] { "--profile", p }), "config", "--services"]);

        Assert.That(code, Is.Zero, output);
        Assert.That(output.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), Is.EquivalentTo(Services().Keys));
    }

    [Test]
    public void The_file_holds_only_what_every_version_of_Compose_reads()
    {
        Assert.That(Read().Keys.Where(k => !k.StartsWith("x-", StringComparison.Ordinal)), Is.EquivalentTo(new[] { "services", "volumes" }), "Docker's Compose of 2021 refuses more, such as a name");
        foreach (var (name, service) in Services())
        {
            Assert.That(service.Keys, Is.SubsetOf(Keys), name);
            Assert.That(service.ContainsKey("image"), name);
            Assert.That(List(service, "profiles"), Is.SubsetOf(Profiles), name);
        }
    }

    [Test]
    public void What_a_service_waits_for_is_there_with_it_and_can_become_so()
    {
        var services = Services();
        foreach (var (name, service) in services)
        {
            foreach (var (other, how) in Map(service, "depends_on"))
            {
                Assert.That(services, Does.ContainKey(other), name);
                var (needed, profiles) = (services[other], List(services[other], "profiles"));
                Assert.That(profiles.Count == 0 || profiles.Intersect(List(service, "profiles")).Any(), $"{name} is started without {other}");
                var condition = (string)((Dictionary<object, object>)how)["condition"];
                if (condition == "service_healthy")
                    Assert.That(Map(needed, "healthcheck"), Does.ContainKey("test"), $"{name} waits for ever for {other}");
                else
                    Assert.That((condition, needed.ContainsKey("restart")), Is.EqualTo(("service_completed_successfully", false)), $"{name} waits for the end of {other}");
            }
        }
    }

    [Test]
    public void Ports_are_for_this_machine_alone_and_no_two_services_want_the_same()
    {
        var ports = Services().SelectMany(s => List(s.Value, "ports")).Select(p => p.Split(':')).ToList();

        Assert.That(ports, Has.All.Length.EqualTo(3));
        Assert.That(ports.Select(p => p[0]), Has.All.EqualTo("127.0.0.1"));
        Assert.That(ports.Select(p => p[1]), Is.Unique);
    }

    [Test]
    public void Volumes_are_declared_and_files_that_are_mounted_are_there()
    {
        var mounted = Services().SelectMany(s => List(s.Value, "volumes")).Select(v => v.Split(':')[0]).ToList();

        Assert.That(mounted.Where(v => !v.StartsWith('.')), Is.EquivalentTo(((Dictionary<object, object>)Read()["volumes"]).Keys));
        foreach (var folder in mounted.Where(v => v.StartsWith('.')))
            Assert.That(Path.Exists(Path.Combine(Path.GetDirectoryName(File)!, folder)), folder);
    }

    private static Dictionary<string, object> Read() => new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(new MergingParser(new Parser(new StringReader(System.IO.File.ReadAllText(File)))));

    private static Dictionary<string, Dictionary<string, object>> Services() =>
        ((Dictionary<object, object>)Read()["services"]).ToDictionary(s => (string)s.Key, s => ((Dictionary<object, object>)s.Value).ToDictionary(k => (string)k.Key, k => k.Value));

    private static IReadOnlyList<string> List(Dictionary<string, object> service, string key) => service.TryGetValue(key, out var list) ? [.. ((List<object>)list).Cast<string>()] : [];

    private static Dictionary<string, object> Map(Dictionary<string, object> service, string key) => service.TryGetValue(key, out var map) ? ((Dictionary<object, object>)map).ToDictionary(k => (string)k.Key, k => k.Value) : [];
}
