using Broker.Tests.Support;

namespace Broker.Tests.Conformance;

internal sealed class RabbitMqTransportTests() : TransportSuite(TestTransport.RabbitMq);
