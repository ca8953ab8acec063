using Broker.Tests.Support;

namespace Broker.Tests.Conformance;

internal sealed class InMemoryLockTests() : LockSuite(InMemoryLockPlace.CreateAsync);
