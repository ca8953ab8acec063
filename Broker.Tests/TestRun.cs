using System.Globalization;
using Broker.Tests.Support;

// Alone, unless a fixture says otherwise. Those that do mostly wait, for servers and leases.
[assembly: NonParallelizable]
[assembly: LevelOfParallelism(3)]

namespace Broker.Tests;

/// <summary>Begins and ends a run of the tests.</summary>
[SetUpFixture]
internal sealed class TestRun
{
    [OneTimeSetUp]
    public void SpeakNoLanguage() => CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;

    [OneTimeTearDown]
    public Task RemoveWhatTheRunMade() => TestServers.RemoveAsync();
}
