using Broker.Tests.Support;

namespace Broker.Tests.Conformance;

internal sealed class InMemoryTransportTests() : TransportSuite(TestTransport.InMemory);
