using Broker.Tests.Support;

namespace Broker.Tests.Architecture;

/// <summary>SQL Server's driver opens no connection in a program that was built without cultures (InvariantGlobalization).</summary>
internal sealed class CultureTests
{
    [TestCase("Broker")]
    [TestCase("Broker.Tests")]
    [TestCase("Shop")]
    public void A_program_that_may_meet_SQL_Server_has_cultures(string program) =>
        Assert.That(File.ReadAllText(Path.ChangeExtension(BuiltProgram.Path(program), ".runtimeconfig.json")), Does.Not.Contain("System.Globalization.Invariant"));
}
