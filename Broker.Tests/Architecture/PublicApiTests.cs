using System.Reflection;
using Broker.Tests.Support;
using PublicApiGenerator;

namespace Broker.Tests.Architecture;

/// <summary>What users can see changes only on purpose: each assembly's public API is approved by a person.</summary>
internal sealed class PublicApiTests
{
    [Test]
    public void The_public_API_is_approved([Values("Outbox", "Outbox.RabbitMQ", "Outbox.Redis", "Outbox.Etcd", "Outbox.Testing", "Broker.Relay")] string assembly)
    {
        var api = Assembly.Load(assembly).GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false, DenyNamespacePrefixes = [] });

        Approved.Verify($"{assembly}.txt", api);
    }

    [Test]
    public void The_worker_is_a_program_and_no_library() => Assert.That(Assembly.Load("Broker").GetExportedTypes(), Is.Empty);
}
