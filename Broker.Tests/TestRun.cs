using Broker.Tests.Support;

[assembly: NonParallelizable]

namespace Broker.Tests;

/// <summary>Begins and ends a run of the tests.</summary>
[SetUpFixture]
internal sealed class TestRun
{
    [OneTimeTearDown]
    public Task RemoveWhatTheRunMade() => TestServers.RemoveAsync();
}
