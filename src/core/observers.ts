/** Observers: objects that are told what happens, each by the methods that it has. */

type Arguments<Method> = Method extends (...args: infer A) => unknown ? A : never;

/** Calls a method of every observer that has it, in their order, each when the one before is done. */
export async function notify<Observer extends object, Name extends keyof Observer>(
  observers: readonly Observer[],
  name: Name,
  ...args: Arguments<NonNullable<Observer[Name]>>
): Promise<void> {
  for (const observer of observers) {
    const method = observer[name];
    if (typeof method === 'function') await method.apply(observer, args);
  }
}
