using Broker.Tests.Support;

namespace Broker.Tests.EndToEnd;

/// <summary>What a newcomer runs first.</summary>
internal sealed class SampleTests
{
    [Test]
    public void The_quick_start_ends_well()
    {
        var (code, output) = TestServers.Start("dotnet", BuiltProgram.Path("QuickStart"));
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("stock went from 100 to 70"));
    }

    [Test]
    public void The_embedded_shop_converges()
    {
        var (code, output) = TestServers.Start("dotnet", BuiltProgram.Path("Shop"), "run", "--embedded", "--orders", "200");
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("CONVERGED").And.Not.Contain("NOT CONVERGED"));
    }
}
