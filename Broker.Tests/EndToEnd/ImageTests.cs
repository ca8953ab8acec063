using System.Diagnostics;
using Broker.Tests.Support;

namespace Broker.Tests.EndToEnd;

/// <summary>The container image, as far as it can be tried without Docker.</summary>
internal sealed class ImageTests
{
    [Test]
    [Platform("Linux")]
    public async Task What_the_Dockerfile_makes_holds_nothing_of_a_developer_runs_without_rights_is_healthy_and_ends_in_order()
    {
        var start = new ProcessStartInfo("bash", [Path.Combine(Approved.Root, "docker", "try-image.sh")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["BROKER_TEST_RABBITMQ"] = await TestServers.RabbitMqAsync();
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }

        Assert.That(process.ExitCode, Is.Zero, await errors + await output);
        Assert.That(await output, Does.Contain("healthy as the user").And.Contain("SIGTERM: exit code 0"));
    }

    [Test]
    public void The_Dockerfile_copies_the_projects_that_the_worker_is_made_of_and_publishes_by_the_script_that_is_tried()
    {
        var dockerfile = File.ReadAllText(Path.Combine(Approved.Root, "docker", "Dockerfile"));
        var project = Path.Combine(Approved.Root, "Broker", "Broker.csproj");
        foreach (var needed in Referenced(project).Append(project).Distinct())
        {
            var path = Path.GetRelativePath(Approved.Root, needed);
            Assert.That(dockerfile, Does.Contain($"COPY {path} {Path.GetDirectoryName(path)}/"), "without it the restore has another result than the build");
        }
        Assert.That(dockerfile, Does.Contain("docker/publish.sh /app").And.Contain("USER $APP_UID").And.Contain("\"Broker.dll\", \"health\""));
    }

    private static IEnumerable<string> Referenced(string project) => System.Xml.Linq.XDocument.Load(project).Descendants("ProjectReference")
        .Select(r => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(project)!, r.Attribute("Include")!.Value))).SelectMany(r => Referenced(r).Prepend(r));
}
